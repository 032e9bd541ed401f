// One polite live region for the whole console: what a sighted user sees change is said here.
import { useEffect, useState } from 'preact/hooks';

let say: (text: string) => void = () => undefined;

export function announce(text: string): void {
  say(text);
}

export function Announcer() {
  const [message, setMessage] = useState({ text: '', turn: 0 });
  useEffect(() => {
    say = (text) => {
      setMessage((before) => ({ text, turn: before.turn + 1 }));
    };
    return () => {
      say = () => undefined;
    };
  }, []);
  // The key makes a new node of the same sentence said twice, so that it is read twice.
  return (
    <div class="ds-sr-only" role="status" aria-live="polite">
      <span key={message.turn}>{message.text}</span>
    </div>
  );
}
