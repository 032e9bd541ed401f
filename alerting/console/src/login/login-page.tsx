// `/login`: name, password and code. Whoever was sent here goes back to where they came from.
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, fetchLoginWays, logIn } from '../api/client';
import { PageTitle } from '../shell/parts';
import { usePreferences } from '../shell/preferences';
import { backFrom, navigate } from '../shell/router';
import type { TextKey } from '../text/catalogue';

/** As the service takes them. */
const MAX_LOGIN_CHARS = 128;
const MAX_PASSWORD_CHARS = 1_024;
const MAX_CODE_CHARS = 32;

export function LoginPage({ search }: { search: string }) {
  const { t } = usePreferences();
  const ask = useAsk();
  const [login, setLogin] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [problem, setProblem] = useState<TextKey | null>(null);
  const [isSending, setIsSending] = useState(false);
  const told = useRef<HTMLParagraphElement>(null);
  const name = useRef<HTMLInputElement>(null);

  // There is one thing to do here.
  useEffect(() => {
    name.current?.focus();
  }, []);

  useEffect(() => {
    if (problem !== null) told.current?.focus();
  }, [problem]);

  const send = () => {
    if (isSending) return;
    setIsSending(true);
    setProblem(null);
    logIn(login, password, code)
      .then(() => {
        navigate(backFrom(search), { replace: true });
      })
      .catch((failure: unknown) => {
        setProblem(reason(failure));
        // A code works once; name and password stay.
        setCode('');
        setIsSending(false);
      });
  };

  return (
    <div class="login">
      <PageTitle title={t('login.title')}>{t('login.title')}</PageTitle>
      {problem !== null && (
        <p ref={told} class="ds-alert" data-color="danger" role="alert" tabIndex={-1}>
          {t(problem)}
        </p>
      )}
      <form
        class="login-form"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <Field id="login-name" label={t('login.name')}>
          <input
            id="login-name"
            ref={name}
            class="ds-input"
            type="text"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            required
            maxLength={MAX_LOGIN_CHARS}
            value={login}
            onInput={(event) => {
              setLogin(event.currentTarget.value);
            }}
          />
        </Field>
        <Field id="login-password" label={t('login.password')}>
          <input
            id="login-password"
            class="ds-input"
            type="password"
            autocomplete="current-password"
            required
            maxLength={MAX_PASSWORD_CHARS}
            value={password}
            onInput={(event) => {
              setPassword(event.currentTarget.value);
            }}
          />
        </Field>
        <Field id="login-code" label={t('login.code')} help={t('login.code.help')}>
          <input
            id="login-code"
            class="ds-input"
            type="text"
            autocomplete="one-time-code"
            spellcheck={false}
            required
            maxLength={MAX_CODE_CHARS}
            aria-describedby="login-code-help"
            value={code}
            onInput={(event) => {
              setCode(event.currentTarget.value);
            }}
          />
        </Field>
        <button type="submit" class="ds-button" aria-disabled={isSending}>
          {t('login.in')}
        </button>
      </form>
      {ask !== null && <p class="ds-paragraph subtle">{t('login.ask', { whom: ask })}</p>}
    </div>
  );
}

function Field(props: { id: string; label: string; help?: string; children: preact.ComponentChildren }) {
  return (
    <div class="ds-field">
      <label class="ds-label" data-weight="medium" for={props.id}>
        {props.label}
      </label>
      {props.help !== undefined && (
        <p id={`${props.id}-help`} data-field="description" class="ds-paragraph" data-size="sm">
          {props.help}
        </p>
      )}
      {props.children}
    </div>
  );
}

/** Whom to ask for access; null until it is known. */
function useAsk(): string | null {
  const [ask, setAsk] = useState<string | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    fetchLoginWays(abort.signal)
      .then((ways) => {
        setAsk(ways.ask);
      })
      .catch(() => undefined); // The form works without it.
    return () => {
      abort.abort();
    };
  }, []);
  return ask;
}

function reason(failure: unknown): TextKey {
  if (!(failure instanceof ApiError)) return 'login.failed';
  switch (failure.status) {
    case 0:
      return 'error.save.offline';
    case 401:
      return 'login.wrong';
    case 429:
      return 'login.guarded';
    default:
      return 'login.failed';
  }
}
