// One's own passkeys: add, rename, remove. Password and code go on working, so that none of them is the last way in.
import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import {
  addPasskey,
  fetchPasskeys,
  isAbort,
  passkeyOptions,
  removePasskey,
  renamePasskey,
} from '../api/client';
import type { Passkey, PasskeyList } from '../api/types';
import { announce } from '../shell/announce';
import { Failure, Loading, PageTitle, Time, useSaveError } from '../shell/parts';
import { usePreferences } from '../shell/preferences';
import { canUsePasskeys, isCancelled, isKnown, make } from './ceremony';

/** As the service takes it. */
const MAX_NAME_CHARS = 64;

export function PasskeysPage() {
  const { t } = usePreferences();
  const [list, setList] = useState<PasskeyList | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    setError(null);
    fetchPasskeys(abort.signal)
      .then(setList)
      .catch((failure: unknown) => {
        if (!isAbort(failure)) setError(failure);
      });
    return () => {
      abort.abort();
    };
  }, [turn]);
  const reload = useCallback(() => {
    setTurn((before) => before + 1);
  }, []);
  if (list === null) {
    if (error === null) return <Loading text={t('passkeys.loading')} />;
    return <Failure error={error} onRetry={reload} level={1} />;
  }
  return (
    <article class="passkeys">
      <PageTitle title={t('passkeys.title')}>{t('passkeys.title')}</PageTitle>
      <p class="ds-paragraph">{t('passkeys.intro')}</p>
      {list.passkeys.length === 0 ? (
        <p class="ds-paragraph">{t('passkeys.none')}</p>
      ) : (
        <ul class="passkey-list">
          {list.passkeys.map((passkey) => (
            <Item key={passkey.id} passkey={passkey} onDone={reload} />
          ))}
        </ul>
      )}
      <Add list={list} onDone={reload} />
    </article>
  );
}

function Item({ passkey, onDone }: { passkey: Passkey; onDone: () => void }) {
  const { t } = usePreferences();
  const saveError = useSaveError();
  const [name, setName] = useState(passkey.name);
  const [isSure, setIsSure] = useState(false);
  const [wrong, setWrong] = useState('');
  const no = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (isSure) no.current?.focus();
  }, [isSure]);
  const act = (promise: Promise<unknown>, said: string) => {
    setWrong('');
    promise
      .then(() => {
        announce(said);
        onDone();
      })
      .catch((failure: unknown) => {
        setWrong(saveError(failure));
      });
  };
  const field = `passkey-${passkey.id}`;
  return (
    <li class="passkey">
      <h2 class="ds-heading" data-size="2xs">
        {passkey.name}
      </h2>
      <p class="ds-paragraph">
        {t('passkeys.added')} <Time at={passkey.created_at} /> ·{' '}
        {passkey.used_at === null ? (
          t('passkeys.unused')
        ) : (
          <>
            {t('passkeys.used')} <Time at={passkey.used_at} />
          </>
        )}
      </p>
      {passkey.copied && (
        <p class="ds-alert" data-color="danger">
          {t('passkeys.copied')}
        </p>
      )}
      <NameForm
        id={field}
        label={t('passkeys.rename.of', { name: passkey.name })}
        name={name}
        onName={setName}
        wrong={wrong}
        onSend={() => {
          act(renamePasskey(passkey.id, name), t('passkeys.rename.done', { name: name.trim() }));
        }}
      >
        <button type="submit" class="ds-button" data-variant="secondary">
          {t('passkeys.rename')}
        </button>
        {!isSure && (
          <button
            type="button"
            class="ds-button"
            data-variant="tertiary"
            data-color="danger"
            aria-label={t('passkeys.remove.of', { name: passkey.name })}
            onClick={() => {
              setIsSure(true);
            }}
          >
            {t('passkeys.remove')}
          </button>
        )}
      </NameForm>
      {isSure && (
        <div class="passkey-sure" role="group" aria-label={t('passkeys.remove.of', { name: passkey.name })}>
          <p class="ds-paragraph">{t('passkeys.remove.sure')}</p>
          <button
            ref={no}
            type="button"
            class="ds-button"
            data-variant="secondary"
            onClick={() => {
              setIsSure(false);
            }}
          >
            {t('passkeys.remove.no')}
          </button>
          <button
            type="button"
            class="ds-button"
            data-color="danger"
            onClick={() => {
              act(removePasskey(passkey.id), t('passkeys.remove.done', { name: passkey.name }));
            }}
          >
            {t('passkeys.remove.yes')}
          </button>
        </div>
      )}
    </li>
  );
}

function Add({ list, onDone }: { list: PasskeyList; onDone: () => void }) {
  const { t } = usePreferences();
  const saveError = useSaveError();
  const [name, setName] = useState('');
  const [wrong, setWrong] = useState('');
  const [isBusy, setIsBusy] = useState(false);
  const why = hindrance(list);
  if (why !== null) return <p class="ds-alert">{t(why)}</p>;
  const send = () => {
    if (isBusy) return;
    setIsBusy(true);
    setWrong('');
    passkeyOptions()
      .then(({ options }) => make(options))
      .then((credential) => addPasskey(name, credential))
      .then(() => {
        announce(t('passkeys.add.done', { name: name.trim() }));
        setName('');
        onDone();
      })
      .catch((failure: unknown) => {
        if (isCancelled(failure)) setWrong(t('passkeys.cancelled'));
        else if (isKnown(failure)) setWrong(t('passkeys.known'));
        else setWrong(saveError(failure));
      })
      .finally(() => {
        setIsBusy(false);
      });
  };
  return (
    <section>
      <h2 class="ds-heading" data-size="xs">
        {t('passkeys.add.title')}
      </h2>
      <NameForm
        id="passkey-new"
        label={t('passkeys.name')}
        name={name}
        onName={setName}
        wrong={wrong}
        onSend={send}
      >
        <button type="submit" class="ds-button" aria-disabled={isBusy}>
          {t('passkeys.add')}
        </button>
      </NameForm>
    </section>
  );
}

/** Why none can be added here and now. */
function hindrance(list: PasskeyList) {
  if (!canUsePasskeys()) return 'passkeys.unsupported';
  if (list.passkeys.length >= list.most) return 'passkeys.full';
  return list.can_add ? null : 'passkeys.stale';
}

interface NameFormProps {
  id: string;
  label: string;
  name: string;
  onName: (name: string) => void;
  wrong: string;
  onSend: () => void;
  children: ComponentChildren;
}

function NameForm({ id, label, name, onName, wrong, onSend, children }: NameFormProps) {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onSend();
      }}
    >
      <label class="ds-label" for={id}>
        {label}
      </label>
      <input
        id={id}
        class="ds-input"
        required
        maxLength={MAX_NAME_CHARS}
        value={name}
        aria-invalid={wrong !== ''}
        aria-describedby={wrong === '' ? undefined : `${id}-wrong`}
        onInput={(event) => {
          onName(event.currentTarget.value);
        }}
      />
      {children}
      {wrong !== '' && (
        <p id={`${id}-wrong`} class="ds-paragraph delivery-failed" role="alert">
          {wrong}
        </p>
      )}
    </form>
  );
}
