// Times as people in Norway write them, always in Europe/Oslo, whatever the browser's own zone.
// Composed from numeric parts, so that the words come from our catalogues and not from a browser's locale data.
import type { Language } from './api/types';

const MONTHS: Readonly<Record<Language, readonly string[]>> = {
  nb: [
    'januar',
    'februar',
    'mars',
    'april',
    'mai',
    'juni',
    'juli',
    'august',
    'september',
    'oktober',
    'november',
    'desember',
  ],
  nn: [
    'januar',
    'februar',
    'mars',
    'april',
    'mai',
    'juni',
    'juli',
    'august',
    'september',
    'oktober',
    'november',
    'desember',
  ],
  en: [
    'January',
    'February',
    'March',
    'April',
    'May',
    'June',
    'July',
    'August',
    'September',
    'October',
    'November',
    'December',
  ],
};

const SHORT_MONTHS: Readonly<Record<Language, readonly string[]>> = {
  nb: ['jan.', 'feb.', 'mars', 'apr.', 'mai', 'juni', 'juli', 'aug.', 'sep.', 'okt.', 'nov.', 'des.'],
  nn: ['jan.', 'feb.', 'mars', 'apr.', 'mai', 'juni', 'juli', 'aug.', 'sep.', 'okt.', 'nov.', 'des.'],
  en: ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'],
};

const OSLO = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'Europe/Oslo',
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

interface Civil {
  year: string;
  month: number;
  day: string;
  hour: string;
  minute: string;
  second: string;
}

/** `22. nov. 14:05` – for tables; with the year where it isn't the year of `now`. */
export function shortTime(instant: string, language: Language, now: Date): string {
  const civil = osloTime(instant);
  if (civil === null) return instant;
  const month = SHORT_MONTHS[language][civil.month - 1] ?? '';
  const day = language === 'en' ? civil.day : `${civil.day}.`;
  const year = civil.year === osloTime(now.toISOString())?.year ? '' : ` ${civil.year}`;
  return `${day} ${month}${year} ${civil.hour}:${civil.minute}`;
}

/** `22. november 2026 kl. 14:05:09` – for detail pages. */
export function longTime(instant: string, language: Language): string {
  const civil = osloTime(instant);
  if (civil === null) return instant;
  const month = MONTHS[language][civil.month - 1] ?? '';
  const clock = `${civil.hour}:${civil.minute}:${civil.second}`;
  return language === 'en'
    ? `${civil.day} ${month} ${civil.year} at ${clock}`
    : `${civil.day}. ${month} ${civil.year} kl. ${clock}`;
}

/** `2026-11-22 13:05:09 UTC` – for the one who compares with a log. */
export function utcTime(instant: string): string {
  const date = new Date(instant);
  if (Number.isNaN(date.getTime())) return instant;
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

function osloTime(instant: string): Civil | null {
  const date = new Date(instant);
  if (Number.isNaN(date.getTime())) return null;
  const parts = Object.fromEntries(OSLO.formatToParts(date).map((part) => [part.type, part.value]));
  return {
    year: parts['year'] ?? '',
    month: Number(parts['month']),
    day: String(Number(parts['day'])),
    hour: parts['hour'] ?? '',
    minute: parts['minute'] ?? '',
    second: parts['second'] ?? '',
  };
}
