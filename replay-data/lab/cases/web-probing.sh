# Somebody outside tries doors on the municipality's web server; somebody inside fetches a program over plain HTTP.
record_web_probing() {
  local folder=$1 path
  start_capture
  ordinary_round
  for path in /.env /.git/config /wp-login.php /phpmyadmin/index.php; do
    on attacker curl -4 -s -m 5 -o /dev/null -A "$BROWSER" "http://10.20.0.10$path" || true
    on attacker curl -6 -s -m 5 -o /dev/null -A "$BROWSER" "http://[2001:db8:20::10]$path" || true
  done
  ordinary_round
  on attacker nmap -n -Pn -sT -p 80 --script http-title 10.20.0.10 >/dev/null
  on attacker nmap -6 -n -Pn -sT -p 80 --script http-title 2001:db8:20::10 >/dev/null
  ordinary_round
  browse4 http://filer.leverandor.example/last-ned/oppdatering.exe
  browse6 http://filer.leverandor.example/last-ned/oppdatering.exe
  browse4 https://198.51.100.66:4444/
  browse6 'https://[2001:db8:f::66]:4444/'
  stop_capture
  retime 2026-03-04T11:30:00Z
  gzip -9 -n -c "$WORK/timed.pcap" > "$folder/capture.pcap.gz"
}
