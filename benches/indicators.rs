//! The store of indicators alone: memory, loading, look-ups that miss and that hit, and changing a set, with one and
//! with ten million. Everything is generated from a seed.
//!
//! Limits stand as floors, turned round so that more is better: 480 MB for ten million is a floor of 20,833
//! indicators a megabyte. The peer is what one would write in an afternoon: a hash map from the value's text.

pub(crate) mod made;

use std::{
    fs::{self, File},
    hash::BuildHasher as _,
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use cpu_time::ThreadTime;
use detect_alert::Indicator;
use detect_engine::{IndicatorTable, IndicatorTableBuilder, Scratch};
use detect_rules::{FeedOptions, FeedReport};
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::measure::{Against, Bar, Contender, Row, by_turns, median, rate};

use made::{Texts, indicator};

const BENCH: &str = "indicators";

const ROUNDS: usize = 5;

/// Lines of the generated feed are longer, so that the table never has too much room.
const BYTES_PER_LINE: u64 = 100;

/// What a table of so many may cost.
struct Size {
    name: &'static str,
    count: u64,
    megabytes: f64,
}

const SIZES: [Size; 2] = [
    Size {
        name: "1,000,000 indicators",
        count: 1_000_000,
        megabytes: 60.0,
    },
    Size {
        name: "10,000,000 indicators",
        count: 10_000_000,
        megabytes: 480.0,
    },
];

/// Runs them, with ten million indicators too unless only the small size is wanted.
///
/// # Errors
/// If a file can't be written or read, or a figure is not what was generated.
pub fn run(is_small: bool) -> anyhow::Result<Vec<Row>> {
    let sizes = SIZES
        .get(..if is_small { 1 } else { SIZES.len() })
        .unwrap_or_default();
    let folder = tempfile::tempdir().context("make a folder for the feeds")?;
    // What is read or made once in a process is not part of any table.
    let first = folder.path().join("first.csv");
    write_feed(&first, 1_000)?;
    drop(load(&first)?);
    let misses = Texts::misses();
    let mut rows = Vec::new();
    let mut tables = Vec::new();
    for size in sizes {
        let feed = folder.path().join(format!("{}.csv", size.count));
        write_feed(&feed, size.count)?;
        let before = Resident::now()?;
        Resident::forget_peak()?;
        let start = ThreadTime::now();
        let table = load(&feed)?;
        let time = start.elapsed();
        let after = Resident::now()?;
        let start = ThreadTime::now();
        let lines = hash_lines(&feed)?;
        let hashing = start.elapsed();
        let start = ThreadTime::now();
        let mut checked = 0;
        read(&feed, &mut |_| checked += 1)?;
        let times = Times {
            loading: time,
            hashing,
            reading: start.elapsed(),
        };
        anyhow::ensure!(
            lines == size.count + 1 && checked == size.count && table.len() as u64 == size.count,
            "{} indicators are held, {} were written",
            table.len(),
            size.count
        );
        rows.extend(size_rows(size, &table, &times, before, after));
        tables.push(table);
    }
    for (size, table) in sizes.iter().zip(&tables) {
        let hits = Texts::hits(size.count);
        let peer = Peer::load(size.count);
        rows.extend(look_up_rows(size, table, &peer, &misses, &hits)?);
        rows.push(update_row(size, table)?);
        rows.push(family_row(size, table)?);
    }
    if let [small, large] = tables.as_slice() {
        rows.push(growth_row(small, large, &misses)?);
    }
    Ok(rows)
}

/// CPU time of one core.
struct Times {
    loading: Duration,
    hashing: Duration,
    reading: Duration,
}

fn size_rows(
    size: &Size,
    table: &IndicatorTable,
    times: &Times,
    before: Resident,
    after: Resident,
) -> Vec<Row> {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let grown = megabytes(after.now.saturating_sub(before.now));
    let peak = megabytes(after.peak.saturating_sub(before.now));
    let row = |work, unit, ours, floor, limit: String, peer, checked| Row {
        bench: BENCH,
        work,
        corpus: size.name.to_owned(),
        unit,
        ours,
        floor: Some(Contender {
            name: limit,
            figure: floor,
        }),
        peer,
        bar: Some(Bar {
            against: Against::Floor,
            at_least: 1.0,
        }),
        checked,
    };
    let count = size.count as f64;
    vec![
        row(
            "hold",
            "indicators/MB",
            count / grown,
            count / size.megabytes,
            format!("limit, {} MB", size.megabytes),
            None,
            format!(
                "resident memory grew by {grown:.0} MB, at the peak of loading by {peak:.0} MB; counted {:.0} MB",
                megabytes(table.memory() as u64)
            ),
        ),
        row(
            "load from text",
            "indicators/s",
            rate(size.count, times.loading),
            count / (20.0 * count / 1e7),
            "limit, 20 s for ten million".to_owned(),
            Some(Contender {
                name: "reading and hashing the same lines".to_owned(),
                figure: rate(size.count, times.hashing),
            }),
            format!(
                "{:.1} s of CPU time on one core; reading and checking alone, without holding, {:.1} s",
                times.loading.as_secs_f64(),
                times.reading.as_secs_f64()
            ),
        ),
    ]
}

fn look_up_rows(
    size: &Size,
    table: &IndicatorTable,
    peer: &Peer,
    misses: &Texts,
    hits: &Texts,
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (work, texts, limit) in [
        ("look up, misses", misses, Some(2e7)),
        ("look up, hits", hits, None),
    ] {
        let mut scratch = Scratch::default();
        let mut ours = || {
            let mut found = 0;
            texts.each(|holds, text| table.look_up(holds, text, None, &mut scratch, &mut |_| found += 1));
            found
        };
        let mut together_scratch = Scratch::default();
        let mut together = || {
            let mut found = 0;
            texts.each_event(|texts| {
                table.look_up_all(texts, &mut together_scratch, &mut |_, _| found += 1);
            });
            found
        };
        let mut map = || peer.look_up_all(texts);
        let figures = by_turns(
            ROUNDS,
            &mut [("ours", &mut together), ("singly", &mut ours), ("map", &mut map)],
        )?;
        let [(time, found), (singly, _), (peer_time, peer_found)] = figures.as_slice() else {
            anyhow::bail!("three contenders ran");
        };
        let count = texts.len();
        let expected = if limit.is_some() { 0 } else { count };
        anyhow::ensure!(
            if limit.is_some() {
                *found == 0
            } else {
                expected <= *found
            },
            "{work}: {found} found of {count}"
        );
        rows.push(Row {
            bench: BENCH,
            work,
            corpus: size.name.to_owned(),
            unit: "look-ups/s",
            ours: rate(count, *time),
            floor: limit.map(|figure| Contender {
                name: "limit, 50 ns".to_owned(),
                figure,
            }),
            peer: Some(Contender {
                name: "FxHashMap of texts, no subdomains or prefixes".to_owned(),
                figure: rate(count, *peer_time),
            }),
            bar: limit.map(|_| Bar {
                against: Against::Floor,
                at_least: 1.0,
            }),
            checked: format!(
                "{:.1} ns each in events of four texts, {:.1} ns singly; {found} found in {count} texts, by the peer \
                 {peer_found}",
                time.as_nanos() as f64 / count as f64,
                singly.as_nanos() as f64 / count as f64
            ),
        });
    }
    Ok(rows)
}

/// 10,000 out and 10,000 in, over and over.
fn update_row(size: &Size, table: &IndicatorTable) -> anyhow::Result<Row> {
    const CHANGED: u64 = 10_000;
    let removed: Vec<Indicator> = (0..CHANGED).map(indicator).collect();
    let added: Vec<Indicator> = (size.count..size.count + CHANGED).map(indicator).collect();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let start = ThreadTime::now();
        let (next, counts) = table.updated(&removed, &added);
        times.push(start.elapsed());
        anyhow::ensure!(
            counts.removed == CHANGED && counts.added.new == CHANGED && next.len() == table.len(),
            "10,000 out and 10,000 in: {counts:?}"
        );
        anyhow::ensure!(next.digest() != table.digest(), "the digest tells the sets apart");
    }
    let time = median(times);
    Ok(Row {
        bench: BENCH,
        work: "10,000 out and 10,000 in",
        corpus: size.name.to_owned(),
        unit: "updates/s",
        ours: rate(1, time),
        floor: Some(Contender {
            name: "limit, 1 s".to_owned(),
            figure: 1.0,
        }),
        peer: None,
        bar: Some(Bar {
            against: Against::Floor,
            at_least: 1.0,
        }),
        checked: format!("{:.1} ms", time.as_secs_f64() * 1e3),
    })
}

/// IPv6 beside IPv4.
fn family_row(size: &Size, table: &IndicatorTable) -> anyhow::Result<Row> {
    let families = [Texts::addresses(true), Texts::addresses(false)];
    let [v6, v4] = &families;
    let run = |texts: &Texts, scratch: &mut Scratch| {
        let mut found = 0;
        texts.each_event(|texts| table.look_up_all(texts, scratch, &mut |_, _| found += 1));
        found
    };
    let (mut one, mut other) = (Scratch::default(), Scratch::default());
    let figures = by_turns(
        ROUNDS,
        &mut [
            ("IPv6", &mut || run(v6, &mut one)),
            ("IPv4", &mut || run(v4, &mut other)),
        ],
    )?;
    let [(v6_time, v6_found), (v4_time, v4_found)] = figures.as_slice() else {
        anyhow::bail!("two contenders ran");
    };
    anyhow::ensure!(v6_found + v4_found == 0, "no such address is an indicator");
    let nanos = |time: &Duration| time.as_nanos() as f64 / v6.len() as f64;
    Ok(Row {
        bench: BENCH,
        work: "look up, misses, IPv6 addresses",
        corpus: size.name.to_owned(),
        unit: "look-ups/s",
        ours: rate(v6.len(), *v6_time),
        floor: None,
        peer: Some(Contender {
            name: "IPv4 addresses".to_owned(),
            figure: rate(v4.len(), *v4_time),
        }),
        bar: None,
        checked: format!("{:.1} ns, IPv4 {:.1} ns", nanos(v6_time), nanos(v4_time)),
    })
}

fn growth_row(small: &IndicatorTable, large: &IndicatorTable, misses: &Texts) -> anyhow::Result<Row> {
    let mut one = Scratch::default();
    let mut other = Scratch::default();
    let run = |table: &IndicatorTable, scratch: &mut Scratch| {
        let mut found = 0;
        misses.each_event(|texts| table.look_up_all(texts, scratch, &mut |_, _| found += 1));
        found
    };
    let mut large_run = || run(large, &mut one);
    let mut small_run = || run(small, &mut other);
    let figures = by_turns(
        ROUNDS,
        &mut [("large", &mut large_run), ("small", &mut small_run)],
    )?;
    let [(time, _), (small_time, _)] = figures.as_slice() else {
        anyhow::bail!("two contenders ran");
    };
    let count = misses.len();
    Ok(Row {
        bench: BENCH,
        work: "look up, misses, ten times the indicators",
        corpus: "1,000,000 different texts".to_owned(),
        unit: "look-ups/s",
        ours: rate(count, *time),
        floor: None,
        peer: Some(Contender {
            name: "the same on 1,000,000 indicators".to_owned(),
            figure: rate(count, *small_time),
        }),
        bar: None,
        checked: format!(
            "{:.1} ns instead of {:.1} ns, nothing in any cache",
            time.as_nanos() as f64 / count as f64,
            small_time.as_nanos() as f64 / count as f64
        ),
    })
}

/// What one would write in an afternoon. It finds whole values only.
struct Peer(FxHashMap<String, u32>);

impl Peer {
    fn load(count: u64) -> Self {
        Self(
            (0..count)
                .map(|number| (indicator(number).value, number as u32))
                .collect(),
        )
    }

    fn look_up_all(&self, texts: &Texts) -> u64 {
        let mut found = 0;
        texts.each(|_, text| found += u64::from(self.0.contains_key(text)));
        found
    }
}

/// Reads a feed as the detector does, one indicator at a time.
fn load(feed: &Path) -> anyhow::Result<IndicatorTable> {
    // From the size of the file: so many lines it will have at least.
    let bytes = fs::metadata(feed)?.len();
    let mut builder = IndicatorTableBuilder::with_room(usize::try_from(bytes / BYTES_PER_LINE)?);
    read(feed, &mut |indicator| {
        builder.add(&indicator);
    })?;
    let counts = builder.counts();
    anyhow::ensure!(
        counts.duplicate + counts.not_normal + counts.too_many_for_value + counts.full == 0,
        "every generated indicator counts: {counts:?}"
    );
    Ok(builder.build())
}

/// The least that anybody does who loads a file: finds its lines and hashes them.
fn hash_lines(feed: &Path) -> anyhow::Result<u64> {
    let file = File::open(feed).with_context(|| format!("open {}", feed.display()))?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut lines, mut sum, mut line) = (0, 0_u64, Vec::new());
    while reader.read_until(b'\n', &mut line)? != 0 {
        sum = sum.wrapping_add(FxBuildHasher.hash_one(&line));
        line.clear();
        lines += 1;
    }
    anyhow::ensure!(sum != 0, "the hashes are used");
    Ok(lines)
}

fn read(feed: &Path, sink: &mut impl FnMut(Indicator)) -> anyhow::Result<()> {
    let file = File::open(feed).with_context(|| format!("open {}", feed.display()))?;
    let mut report = FeedReport::default();
    let reader = BufReader::with_capacity(1 << 16, file);
    detect_rules::read_feed(reader, "feed.csv", &FeedOptions::new("feed"), sink, &mut report)
        .with_context(|| format!("read {}", feed.display()))
}

fn write_feed(path: &Path, count: u64) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("make {}", path.display()))?;
    let mut writer = BufWriter::new(file);
    writeln!(writer, "type,value,source,valid_from,description")?;
    for number in 0..count {
        let Indicator {
            kind,
            value,
            source,
            valid_from,
            description,
            ..
        } = indicator(number);
        let from = valid_from.map_or_else(String::new, |from| from.to_string());
        writeln!(writer, "{kind},{value},{source},{from},{description}")?;
    }
    writer.flush()?;
    Ok(())
}

/// Memory of this process in bytes, as the kernel sees it; without that of files, the program's own among them.
#[derive(Clone, Copy)]
struct Resident {
    now: u64,
    peak: u64,
}

impl Resident {
    fn now() -> anyhow::Result<Self> {
        let status = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
        let line = |name: &str| {
            let text = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kilobytes: u64 = text.trim().trim_end_matches(" kB").parse().ok()?;
            Some(1024 * kilobytes)
        };
        Ok(Self {
            now: line("RssAnon:").context("find the resident memory")?,
            peak: line("VmHWM:")
                .zip(line("RssFile:"))
                .map(|(peak, files)| peak.saturating_sub(files))
                .context("find the peak of the resident memory")?,
        })
    }

    fn forget_peak() -> anyhow::Result<()> {
        fs::write("/proc/self/clear_refs", "5").context("forget the peak of the resident memory")
    }
}
