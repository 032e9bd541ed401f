// `/login`: identity providers, and name, password and code. Whoever was sent here goes back to where they came from.
import { useEffect, useRef, useState } from 'preact/hooks';
import {
  ApiError,
  fetchLoginWays,
  logIn,
  logInWithPasskey,
  passkeyLoginOptions,
  providerPath,
} from '../api/client';
import type { LoginWays } from '../api/types';
import { ask, canUsePasskeys, isCancelled } from '../passkeys/ceremony';
import { PageTitle } from '../shell/parts';
import { usePreferences } from '../shell/preferences';
import { backFrom, navigate } from '../shell/router';
import { isTextKey, type TextKey } from '../text/catalogue';

/** As the service takes them. */
const MAX_LOGIN_CHARS = 128;
const MAX_PASSWORD_CHARS = 1_024;
const MAX_CODE_CHARS = 32;

export function LoginPage({ search }: { search: string }) {
  const { t, language } = usePreferences();
  const ways = useWays();
  const providers = ways?.providers ?? [];
  const hasPasskeys = ways?.passkeys === true && canUsePasskeys();
  const [login, setLogin] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [problem, setProblem] = useState<TextKey | null>(null);
  const [isSending, setIsSending] = useState(false);
  const told = useRef<HTMLParagraphElement>(null);
  const name = useRef<HTMLInputElement>(null);

  // Where there is one thing to do here.
  useEffect(() => {
    if (ways !== null && ways.providers.length === 0) name.current?.focus();
  }, [ways]);

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

  const sendPasskey = () => {
    if (isSending) return;
    setIsSending(true);
    setProblem(null);
    passkeyLoginOptions()
      .then(({ options }) => ask(options))
      .then(logInWithPasskey)
      .then(() => {
        navigate(backFrom(search), { replace: true });
      })
      .catch((failure: unknown) => {
        setProblem(passkeyReason(failure));
        setIsSending(false);
      });
  };

  return (
    <div class="login">
      <PageTitle title={t('login.title')}>{t('login.title')}</PageTitle>
      {ways?.refused != null && <Refused {...ways.refused} ask={ways.ask} />}
      {providers.length > 0 && (
        <ul class="login-providers">
          {providers.map((provider) => (
            <li key={provider.id}>
              {provider.is_there ? (
                <a class="ds-button" href={providerPath(provider.id, backFrom(search), language)}>
                  {t('login.with', { provider: provider.name })}
                </a>
              ) : (
                <p class="ds-alert" data-color="warning">
                  {t('login.away', { provider: provider.name })}
                </p>
              )}
            </li>
          ))}
        </ul>
      )}
      {hasPasskeys && (
        <button type="button" class="ds-button" aria-disabled={isSending} onClick={sendPasskey}>
          {t('login.passkey')}
        </button>
      )}
      {(providers.length > 0 || hasPasskeys) && (
        <h2 class="ds-heading" data-size="xs">
          {t(ways?.local === true ? 'login.own' : 'login.glass')}
        </h2>
      )}
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
      {ways?.ask != null && <p class="ds-paragraph subtle">{t('login.ask', { whom: ways.ask })}</p>}
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

/** Why a login by a provider did not let one in, with what to tell whoever gives access. */
function Refused(props: { provider: string; reason: string; code: string | null; ask: string | null }) {
  const { t } = usePreferences();
  const key = `login.refused.${props.reason}`;
  const { provider, code } = props;
  return (
    <div class="ds-alert" data-color="danger" role="alert">
      <p class="ds-paragraph">{t(isTextKey(key) ? key : 'login.failed', { provider })}</p>
      {code !== null && (
        <p class="ds-paragraph">
          {t('login.refused.code', { whom: props.ask ?? '' })} <strong class="login-code">{code}</strong>
        </p>
      )}
    </div>
  );
}

/** How one logs in here; null until it is known, and the form works without it. */
function useWays(): LoginWays | null {
  const [ways, setWays] = useState<LoginWays | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    fetchLoginWays(abort.signal)
      .then(setWays)
      .catch(() => undefined);
    return () => {
      abort.abort();
    };
  }, []);
  return ways;
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

function passkeyReason(failure: unknown): TextKey {
  if (isCancelled(failure)) return 'passkeys.cancelled';
  return failure instanceof ApiError && failure.status === 401 ? 'login.passkey.refused' : reason(failure);
}
