# Ordinary traffic: what people in a town hall do before lunch. Sourced by `record`. No rule may fire on it.

readonly BROWSER='Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'

browse4() { on pc1 curl -4 -s -k -m 5 -A "$BROWSER" "$@" >/dev/null || true; }
browse6() { over6 pc2 curl -6 -s -k -m 5 -A "$BROWSER" "$@" >/dev/null || true; }

# send_mail RUNNER HOST FAMILY SERVER [FROM TO]
send_mail() {
  local runner=$1 host=$2 family=$3 server=$4 from=${5:-saksbehandler@vardedal.example} to=${6:-kari@post.example}
  "$runner" "$host" swaks "-$family" --server "$server" --helo "$host.lab.example" --from "$from" --to "$to" \
    --h-Subject 'Referat fra teknisk utvalg' --h-Message-Id "<$host.$family@lab.example>" --body 'Hei, vedlagt er referatet.' \
    --timeout 5 >"$WORK/swaks.out" 2>&1 || { echo "  $host: mail over IPv$family was not taken"; tail -n 3 "$WORK/swaks.out"; }
}

ssh_session() {
  local host=$1 family=$2 target=$3 command=$4
  on "$host" sshpass -p fjellvarde ssh "-$family" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
    -o LogLevel=ERROR "drift@$target" "$command" >/dev/null 2>&1 || true
}

# One short round, for laying between the steps of an attack.
ordinary_round() {
  browse4 http://www.avis.example/ https://www.avis.example/nyheter/sak.html
  browse6 http://kart.fylke.example/ https://skole.laering.example/
  send_mail on pc1 4 mx1.post.example
  send_mail over6 pc2 6 mx1.post.example
}

# The long version: every protocol the lab knows, over IPv4 and IPv6. Each mark starts a new minute or so.
ordinary_hour() {
  local page
  for page in / /nyheter/sak.html /finnes-ikke /nyheter/sak.html?side=2; do
    mark
    browse4 "http://www.avis.example$page" "https://nyheter.avis.example$page"
    browse6 "http://kart.fylke.example$page" "https://skole.laering.example$page"
  done
  mark
  browse4 http://www.avis.example/ -X POST -d 'sok=vedtak'
  browse6 http://kart.fylke.example/ -X POST -d 'sok=vedtak'
  mark
  on pc1 dig +time=2 +tries=1 post.example MX >/dev/null || true
  on pc1 dig +time=2 +tries=1 post.example TXT >/dev/null || true
  over6 pc2 dig +time=2 +tries=1 sel1._domainkey.post.example TXT >/dev/null || true
  over6 pc2 dig +time=2 +tries=1 -x 203.0.113.25 >/dev/null || true
  over6 pc2 dig +time=2 +tries=1 finnes-ikke.avis.example A >/dev/null || true
  mark
  send_mail on pc1 4 mx1.post.example
  send_mail over6 pc2 6 mx1.post.example
  send_mail on mail 4 10.20.0.10 kari@post.example post@vardedal.example
  send_mail on mail 6 2001:db8:20::10 kari@post.example post@vardedal.example
  on pc1 /usr/bin/python3 "$LAB_DIR/ntp.py" ask 192.0.2.53 || true
  on pc2 /usr/bin/python3 "$LAB_DIR/ntp.py" ask 2001:db8:f::53 || true
  mark
  on pc1 ping -c 3 -i 0.2 192.0.2.53 >/dev/null || true
  on pc2 ping -c 3 -i 0.2 2001:db8:f::53 >/dev/null || true
  mark
  ssh_session pc1 4 198.51.100.80 'ls /; date'
  ssh_session pc2 6 2001:db8:f::80 'ls /; date'
  mark
  # The municipality's own web page, read from home; and a colleague at home who mistypes twice before logging in.
  on home curl -4 -s -k -m 5 -A "$BROWSER" http://www.vardedal.example/ https://www.vardedal.example/ >/dev/null || true
  on home curl -6 -s -k -m 5 -A "$BROWSER" http://www.vardedal.example/ https://www.vardedal.example/ >/dev/null || true
  mark
  mistyped_login 4 10.20.0.10
  mistyped_login 6 2001:db8:20::10
  mark
  # Two services that are not there: a refused connection is no scan.
  browse4 http://198.51.100.80:8080/ http://192.0.2.53:8080/
  browse6 'http://[2001:db8:f::80]:8080/' 'http://[2001:db8:f::53]:8080/'
}

mistyped_login() {
  local family=$1 target=$2 password
  for password in fjellvard Fjellvarde fjellvarde; do
    on home sshpass -p "$password" ssh "-$family" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
      -o NumberOfPasswordPrompts=1 -o LogLevel=ERROR "drift@$target" true >/dev/null 2>&1 || true
  done
}
