# The lab's servers. Sourced by `record`. Everything they write goes to $WORK, a tmpfs that ends with the lab.

# Lab accounts exist only in this mount namespace. Their passwords stand here because they open nothing else.
build_accounts() {
  cp /etc/passwd "$WORK/passwd"; cp /etc/shadow "$WORK/shadow"
  echo 'drift:x:4242:65534::/run/lab/home:/bin/sh' >> "$WORK/passwd"
  sed -i '/^root:/d' "$WORK/shadow"
  echo "root:$(openssl passwd -6 -salt varde sommer2026):20000:0:99999:7:::" >> "$WORK/shadow"
  echo "drift:$(openssl passwd -6 -salt varde fjellvarde):20000:0:99999:7:::" >> "$WORK/shadow"
  chmod 640 "$WORK/shadow"
  mkdir -p "$WORK/home"; chown 4242:65534 "$WORK/home"
  mount --bind "$WORK/passwd" /etc/passwd
  mount --bind "$WORK/shadow" /etc/shadow
  echo 'nameserver 192.0.2.53' > "$WORK/resolv4"
  echo 'nameserver 2001:db8:f::53' > "$WORK/resolv6"
  mount --bind "$WORK/resolv4" /etc/resolv.conf
}

# over6 HOST COMMAND…: as `on`, but names are asked for over IPv6.
over6() {
  local host=$1; shift
  on "$host" unshare --mount sh -c 'mount --bind /run/lab/resolv6 /etc/resolv.conf; exec "$@"' sh "$@"
}

start_dns() {
  cat > "$WORK/dnsmasq.conf" <<CONF
no-resolv
no-hosts
no-daemon
cache-size=500
local-ttl=300
host-record=www.avis.example,198.51.100.80,2001:db8:f::80
host-record=kart.fylke.example,198.51.100.80,2001:db8:f::80
host-record=skole.laering.example,198.51.100.80,2001:db8:f::80
host-record=filer.leverandor.example,198.51.100.80,2001:db8:f::80
host-record=mx1.post.example,203.0.113.25,2001:db8:f::25
host-record=tid.example,192.0.2.53,2001:db8:f::53
host-record=hjemme.example,198.51.100.77,2001:db8:f::77
host-record=www.vardedal.example,10.20.0.10,2001:db8:20::10
host-record=synk.oppdatering-sky.example,198.51.100.66,2001:db8:f::66
cname=nyheter.avis.example,www.avis.example
mx-host=post.example,mx1.post.example,10
txt-record=post.example,"v=spf1 mx -all"
txt-record=sel1._domainkey.post.example,"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC0vZ3f9aLab0nlyN0tAKey"
ptr-record=25.113.0.203.in-addr.arpa,mx1.post.example
server=/t.skygge.example/203.0.113.53
local=/example/
CONF
  on dns dnsmasq -C "$WORK/dnsmasq.conf" >"$WORK/dnsmasq.out" 2>&1 &
  on dns /usr/bin/python3 "$LAB_DIR/ntp.py" serve &
}

# start_nginx HOST CERTIFICATE-NAME: HTTP and HTTPS for any host name, with pages of a few sizes.
start_nginx() {
  local host=$1 name=$2 root="$WORK/www-$1"
  mkdir -p "$root/nyheter" "$root/last-ned"
  printf '<!doctype html><title>%s</title><p>Velkommen til %s.\n' "$name" "$name" > "$root/index.html"
  head -c 6000 /dev/zero | tr '\0' 'v' > "$root/nyheter/sak.html"
  head -c 3000 /dev/zero > "$root/last-ned/oppdatering.exe"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=$name" \
    -keyout "$root.key" -out "$root.crt" 2>/dev/null
  cat > "$root.conf" <<CONF
daemon off; pid $root.pid; error_log $root.err; worker_processes 1;
events { worker_connections 256; }
http {
  access_log off; types { text/html html; } default_type application/octet-stream;
  client_body_temp_path $root.t1; proxy_temp_path $root.t2; fastcgi_temp_path $root.t3; uwsgi_temp_path $root.t4; scgi_temp_path $root.t5;
  server {
    listen [::]:80 ipv6only=off; listen [::]:443 ssl ipv6only=off; listen [::]:4444 ssl ipv6only=off;
    ssl_certificate $root.crt; ssl_certificate_key $root.key;
    root $root;
    location /synk { return 200 "ok\n"; }
  }
}
CONF
  on "$host" nginx -e "$root.err" -c "$root.conf" &
}

# start_sshd HOST: the real daemon, its own words kept in $WORK/sshd-HOST.log, each line stamped with its time.
start_sshd() {
  local host=$1
  ssh-keygen -q -t ed25519 -N '' -f "$WORK/key-$host"
  cat > "$WORK/sshd-$host.conf" <<CONF
Port 22
HostKey $WORK/key-$host
PidFile none
UsePAM no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PermitRootLogin yes
MaxStartups 100:30:200
MaxAuthTries 6
UseDNS no
PrintMotd no
LogLevel INFO
CONF
  ( on "$host" /usr/sbin/sshd -D -e -f "$WORK/sshd-$host.conf" 2>&1 \
      | /usr/bin/python3 "$LAB_DIR/stamp.py" >> "$WORK/sshd-$host.log" ) &
}

start_servers() {
  start_dns
  start_nginx web www.avis.example
  start_nginx c2 synk.oppdatering-sky.example
  start_nginx srv1 www.vardedal.example
  start_sshd web
  start_sshd srv1
  ip netns exec mail /usr/bin/python3 "$LAB_DIR/mail.py" mx1.post.example &
  ip netns exec srv1 /usr/bin/python3 "$LAB_DIR/mail.py" srv1.vardedal.example &
  sleep 3
}
