// The responder's answer: "I take it", what it was, and a few words if they like. Says what is recorded right now.
import { useEffect, useRef, useState } from 'preact/hooks';
import { fetchResponder, responderAcknowledge, responderJudge } from '../api/client';
import { VERDICTS, type ResponderView, type Verdict } from '../api/types';
import { MAX_NOTE_CHARS, useDraft } from '../shell/draft';
import { StateIcon, VerdictIcon } from '../shell/icons';
import { useSaveError } from '../shell/parts';
import { usePreferences } from '../shell/preferences';
import { longTime } from '../time';

interface AnswerProps {
  token: string;
  view: ResponderView;
  onChange: (view: ResponderView) => void;
}

export function Answer({ token, view, onChange }: AnswerProps) {
  const { t } = usePreferences();
  const saveError = useSaveError();
  const [note, setNote] = useDraft(view.incident.id);
  const [thanks, setThanks] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isSaving, setIsSaving] = useState(false);
  const outcome = useRef<HTMLParagraphElement>(null);
  const { state } = view;

  useEffect(() => {
    if (thanks !== null) outcome.current?.focus();
  }, [thanks]);

  const send = (request: () => Promise<ResponderView>, words: string) => {
    setIsSaving(true);
    setThanks(null);
    setProblem(null);
    const hasNote = note.trim() !== '';
    // An answer that changes nothing takes no note with it, and only the incident's version tells: asked for anew,
    // as others may have changed the incident since the page was opened.
    (hasNote ? fetchResponder(token) : Promise.resolve(view))
      .then(async (before) => {
        const updated = await request();
        onChange(updated);
        if (hasNote && updated.incident.version === before.incident.version) {
          setProblem(t('responder.note.not_stored'));
          return;
        }
        setNote('');
        setThanks(words);
      })
      .catch((failure: unknown) => {
        setProblem(saveError(failure));
      })
      .finally(() => {
        setIsSaving(false);
      });
  };

  const judge = (verdict: Verdict) => {
    const words =
      verdict === 'need_help'
        ? t('responder.thanks.need_help')
        : t('responder.thanks.verdict', { verdict: t(`responder.verdict.${verdict}`) });
    send(() => responderJudge(token, verdict, note), words);
  };

  return (
    <section class="ds-card answer" aria-labelledby="answer">
      <h2 id="answer" class="ds-heading" data-size="xs">
        {t('responder.answer')}
      </h2>
      {thanks !== null && (
        <p ref={outcome} class="ds-alert thanks" data-color="success" role="status" tabIndex={-1}>
          {thanks}
        </p>
      )}
      {problem !== null && (
        <p class="ds-alert" data-color="danger" role="alert">
          {problem}
        </p>
      )}
      <div class="ds-field">
        <label class="ds-label" data-weight="medium" for="note">
          {t('responder.note')}
        </label>
        <p id="note-help" data-field="description" class="ds-paragraph" data-size="sm">
          {t('responder.note.help')}
        </p>
        <textarea
          id="note"
          class="ds-input"
          rows={2}
          maxLength={MAX_NOTE_CHARS}
          aria-describedby="note-help"
          value={note}
          onInput={(event) => {
            setNote(event.currentTarget.value);
          }}
        />
      </div>
      {state.acknowledged_at === null && (
        <button
          type="button"
          class="ds-button answer-main"
          aria-disabled={isSaving}
          onClick={() => {
            if (!isSaving) send(() => responderAcknowledge(token, note), t('responder.thanks.acknowledged'));
          }}
        >
          <StateIcon state="acknowledged" />
          {t('responder.acknowledge')}
        </button>
      )}
      <div class="answer-verdict" role="group" aria-labelledby="answer-verdict">
        <h3 id="answer-verdict" class="ds-heading" data-size="2xs">
          {t('responder.verdict')}
        </h3>
        {VERDICTS.map((verdict) => (
          <button
            key={verdict}
            type="button"
            class="ds-button"
            data-variant="secondary"
            aria-pressed={state.verdict === verdict}
            aria-disabled={isSaving}
            onClick={() => {
              if (!isSaving) judge(verdict);
            }}
          >
            <VerdictIcon verdict={verdict} />
            {t(`responder.verdict.${verdict}`)}
          </button>
        ))}
      </div>
      <Status state={state} />
    </section>
  );
}

function Status({ state }: { state: ResponderView['state'] }) {
  const { t, language } = usePreferences();
  return (
    <div class="answer-status">
      <h3 class="ds-heading" data-size="2xs">
        {t('responder.status')}
      </h3>
      <ul class="ds-list">
        {state.seen_at !== null && (
          <li>{t('responder.status.seen', { time: longTime(state.seen_at, language) })}</li>
        )}
        <li>
          {state.acknowledged_at === null
            ? t('responder.status.not_acknowledged')
            : t('responder.status.acknowledged', { time: longTime(state.acknowledged_at, language) })}
        </li>
        <li>
          {state.verdict === null
            ? t('responder.status.no_verdict')
            : t('responder.status.verdict', { verdict: t(`responder.verdict.${state.verdict}`) })}
        </li>
      </ul>
    </div>
  );
}
