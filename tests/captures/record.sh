#!/bin/bash
# Records examples/sample.pcap: real clients talk to real servers through two network namespaces and a trunk between them.
#
#   sudo tests/captures/record.sh [OUT.pcap]
#
# Debian 12 packages:  iproute2 tcpdump ethtool dnsmasq-base bind9-dnsutils nginx-light openssl curl openssh-client openssh-server
#                      sshpass chrony snmp snmpd nmap iputils-ping udhcpc bsdutils python3-venv
# PyPI packages:       aioquic aiosmtpd pyftpdlib zeroconf, installed into a temporary folder (PYTHON=/path/to/python uses yours)
#
# Needs root for the namespaces, about two minutes, and no network once the packages are there. Nothing is left behind. Names and
# addresses come from the ranges for documentation (RFC 2606, 3849, 5737, 7042). A new recording has the same contents, not the
# same bytes. The topology and the faults of the line: wire.py. The corners of TCP: talk.py. The other servers: services.py.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "${1:-$here/../../examples/sample.pcap}")
work=$(mktemp -d)
chmod 755 "$work"
cd "$work"
python=${PYTHON:-}
if [ -z "$python" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install -q aioquic aiosmtpd pyftpdlib zeroconf
    python=$work/venv/bin/python
fi

# ---------------------------------------------------------------- clean up
started=()
clean() {
    for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
    wait 2>/dev/null || true
    for name in client server wire; do ip netns del "jf-$name" 2>/dev/null || true; done
    rm -rf /etc/netns/jf-client "$work"
}
trap clean EXIT
background() { "$@" >>"$work/log" 2>&1 & started+=($!); }
at() { local name=$1; shift; ip netns exec "jf-$name" "$@"; }

# ---------------------------------------------------------------- the network
for name in client server wire; do ip netns add "jf-$name"; done
at wire sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
for name in client server; do   # no temporary or random addresses, ECN on, ports in a range that reads well
    at $name sysctl -qw net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.addr_gen_mode=0 \
        net.ipv4.tcp_ecn=1 net.ipv4.ip_local_port_range="49152 65535"
    at $name ip link set lo up
done
pair() { # namespace, name there, name on the wire, MAC (RFC 7042 documentation range)
    ip -n jf-wire link add "$3" type veth peer name "$2" netns "jf-$1"
    ip -n "jf-$1" link set "$2" address "$4"
    # the wire must see what a network card would send: no segments of 64 KiB, no missing checksums
    at "$1" ethtool -K "$2" tx off rx off gso off gro off tso off >/dev/null
}
pair client eth0 c 00:00:5e:00:53:0a
pair server eth0 s 00:00:5e:00:53:01
ip -n jf-wire link add t0 mtu 1600 type veth peer name t1 mtu 1600
for port in c s t0 t1; do at wire ethtool -K $port tx off rx off gso off gro off tso off >/dev/null; ip -n jf-wire link set $port up; done
at client ip address add 192.0.2.10/24 dev eth0
at client ip address add 192.0.2.20/24 dev eth0      # VLAN 20 on the trunk
at client ip address add 192.0.2.30/24 dev eth0      # VLAN 30 inside of service VLAN 100
at client ip -6 address add 2001:db8::10/64 dev eth0 nodad
for host in 1 53 80; do
    at server ip address add 192.0.2.$host/24 dev eth0
    at server ip -6 address add 2001:db8::$host/64 dev eth0 nodad
done
at server ip address add 198.51.100.25/32 dev lo
mkdir -p /etc/netns/jf-client
echo "nameserver 192.0.2.53" >/etc/netns/jf-client/resolv.conf
printf '127.0.0.1 localhost\n::1 localhost\n' >/etc/netns/jf-client/hosts

background at wire python3 -B "$here/wire.py"
background at wire tcpdump -i t0 -Z root -U -w "$work/sample.pcap"
sleep 1
ip -n jf-client link set eth0 up                     # from here on everything is on the record
ip -n jf-server link set eth0 up
at client ip route add 198.51.100.0/24 via 192.0.2.1

# ---------------------------------------------------------------- what the servers serve
mkdir www tftp
for i in $(seq 40); do echo "<p>Line $i of a page that is long enough for two segments.</p>"; done >www/index.html
head -c 9000 /dev/urandom >www/photo.bin
seq 4000 >www/numbers.txt
head -c 20000 /dev/urandom >www/big.bin
head -c 32000 /dev/urandom >www/huge.bin
head -c 3000 www/big.bin >tftp/boot.img
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/O=Example/CN=Example CA" -keyout ca.key -out ca.pem 2>/dev/null
certificate() { # file, key arguments
    openssl req -newkey "${@:2}" -nodes -subj "/O=Example/CN=www.example.org" -keyout "$1.key" -out "$1.csr" 2>/dev/null
    printf 'subjectAltName=DNS:www.example.org,DNS:mail.example.org,DNS:*.example.org' >names
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile names -out "$1.pem" 2>/dev/null
}
certificate rsa rsa:2048
certificate ec ec -pkeyopt ec_paramgen_curve:P-256

cat >nginx.conf <<CONF
daemon off; pid $work/nginx.pid; error_log $work/nginx.log; worker_processes 1; user root;
events {}
http {
    access_log off; root $work/www; gzip on; gzip_min_length 100; gzip_types text/plain; keepalive_timeout 5;
    types { text/html html; text/plain txt; image/png png; }
    client_body_temp_path $work/body; proxy_temp_path $work/p; fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
    server { listen 80; listen [::]:80; listen 8080; listen [::]:8080; }
    server {
        listen 443 ssl http2; listen [::]:443 ssl http2;
        ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519:prime256v1;
        ssl_certificate $work/ec.pem; ssl_certificate_key $work/ec.key; ssl_certificate $work/rsa.pem; ssl_certificate_key $work/rsa.key;
    }
}
CONF
cat >dnsmasq.conf <<CONF
no-resolv
no-hosts
no-ping
user=root
pid-file=$work/dnsmasq.pid
local=/example.org/example.net/2.0.192.in-addr.arpa/
domain=example.org
edns-packet-max=4096
host-record=www.example.org,192.0.2.80,2001:db8::80
host-record=mail.example.org,198.51.100.25
cname=web.example.org,www.example.org
mx-host=example.org,mail.example.org,10
txt-record=example.org,"v=spf1 -all"
srv-host=_sip._udp.example.org,www.example.org,5060,1,2
$(for i in $(seq 10); do echo "txt-record=long.example.org,\"$(printf 'text %s, ' $(seq $i $((i + 24))))\""; done)
dhcp-range=192.0.2.100,192.0.2.110,1h
dhcp-leasefile=$work/leases
enable-tftp
tftp-root=$work/tftp
CONF
cat >sshd_config <<CONF
HostKey $work/host_key
AuthorizedKeysFile $work/user_key.pub
PidFile $work/sshd.pid
StrictModes no
PermitRootLogin yes
PasswordAuthentication yes
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
Subsystem sftp internal-sftp
CONF
ssh-keygen -q -t ed25519 -N '' -C server -f host_key
ssh-keygen -q -t ed25519 -N '' -C client -f user_key
echo "www.example.org $(cut -d' ' -f1,2 host_key.pub)" >known_hosts
cat >snmpd.conf <<CONF
rocommunity public
rouser reader priv
createUser reader SHA "a pass phrase" AES "another phrase"
sysDescr a machine of the sample
sysLocation Nowhere
sysContact admin@example.org
sysName server.example.org
CONF
cat >chrony.conf <<CONF
local stratum 3
allow
cmdport 0
user root
pidfile $work/chronyd.pid
CONF
mkdir -p /run/sshd

# ---------------------------------------------------------------- the servers
background at server dnsmasq -k -C dnsmasq.conf
background at server nginx -c "$work/nginx.conf"
background at server "$(command -v sshd)" -D -e -f sshd_config
background at server chronyd -x -d -f chrony.conf
background at server env SNMP_PERSISTENT_DIR="$work/snmp" snmpd -f -Lo -C -c snmpd.conf udp:192.0.2.1:161
background at server python3 -B "$here/talk.py" serve
background at server "$python" -B "$here/services.py" smtp-server rsa.pem rsa.key
background at server "$python" -B "$here/services.py" ftp-server "$work/www"
background at server "$python" -B "$here/services.py" h3-server ec.pem ec.key "$work/www" 192.0.2.80 2001:db8::80
sleep 3

# ---------------------------------------------------------------- the clients; one may fail without ending the recording
touch failed
run() { timeout 30 ip netns exec jf-client "$@" >>log 2>&1 || echo "$? $*" >>failed; }
web() { run curl -sS --cacert ca.pem -o /dev/null "$@"; }
talk() { timeout 100 ip netns exec jf-client python3 -B "$here/talk.py" "$@" >>log 2>&1 || echo "$? talk $*" >>failed; }
service() { run "$python" -B "$here/services.py" "$@"; }
ssh_options=(-F none -o UserKnownHostsFile=known_hosts -o ConnectTimeout=5)
www=http://www.example.org

talk pause 192.0.2.80 & pausing=$!       # a connection that outlives all the others

names() {
    run dig +short A www.example.org
    run dig +short AAAA www.example.org
    run dig +short MX example.org
    run dig +short TXT example.org
    run dig +short SRV _sip._udp.example.org
    run dig +short web.example.org
    run dig A missing.example.org
    run dig -x 192.0.2.80
    run dig +noedns TXT long.example.org                # truncated over UDP, so asked again over TCP
    run dig +bufsize=4096 TXT long.example.org          # one answer in three IPv4 fragments
    run dig +tcp A www.example.org AAAA www.example.org
    run dig @2001:db8::53 +short AAAA www.example.org
    run dig @2001:db8::53 +tcp TXT example.org
    run dig @192.0.2.53 -b 192.0.2.20 A www.example.org
    run dig @192.0.2.1 +tries=1 +timeout=1 -p 4444 A www.example.org        # never answered
}
pages() {
    web $www/index.html -o /dev/null $www/photo.bin -o /dev/null $www/missing -o /dev/null --compressed $www/numbers.txt
    web -4 -X POST --data-binary @www/photo.bin $www/index.html
    web -6 -I $www/photo.bin
    web --interface 192.0.2.20 -4 $www/index.html -o /dev/null $www/photo.bin
    web --interface 192.0.2.30 -4 $www/index.html
    web -4 -r 100-299 $www/big.bin
    web -4 --limit-rate 8k --max-time 2 $www/huge.bin   # given up half-way
}
bad_line() { for _ in 1 2; do web -4 --max-time 25 http://www.example.org:8080/big.bin; done; web -6 --max-time 25 http://www.example.org:8080/huge.bin; }
secure() {
    local s=https://www.example.org
    web --tls-max 1.2 --http1.1 $s/index.html -o /dev/null $s/photo.bin
    web --tls-max 1.2 --ciphers ECDHE-RSA-AES128-GCM-SHA256 -4 $s/index.html
    web --http2 $s/index.html -o /dev/null $s/photo.bin -o /dev/null --compressed $s/numbers.txt
    web --http2 -6 $s/index.html
    web --no-alpn -4 --interface 192.0.2.20 $s/index.html
    run curl -sS -o /dev/null $s/index.html             # does not know the authority: an alert
    # a session, and the same session resumed; the first of 1.3 offers a curve that the server lacks, and is asked again
    local hello=(openssl s_client -CAfile ca.pem -connect www.example.org:443 -servername www.example.org)
    run sh -c "printf 'GET / HTTP/1.0\r\n\r\n' | timeout 2 ${hello[*]} -quiet -tls1_2 -sess_out session"
    run sh -c "printf 'GET / HTTP/1.0\r\n\r\n' | timeout 2 ${hello[*]} -quiet -tls1_2 -sess_in session"
    run sh -c "printf 'GET / HTTP/1.0\r\n\r\n' | timeout 2 ${hello[*]} -quiet -tls1_3 -groups P-521:X25519 -sess_out session13"
    run sh -c "printf 'GET / HTTP/1.0\r\n\r\n' | timeout 2 ${hello[*]} -quiet -tls1_3 -sess_in session13"
}
quic() {
    service h3-client 192.0.2.80 ca.pem 443 /index.html /photo.bin
    service h3-client 2001:db8::80 ca.pem 443 /index.html
    service h3-client 192.0.2.80 ca.pem 4433 /index.html                    # after a Retry
}
shells() {
    run sshpass -p wrong ssh "${ssh_options[@]}" -o PubkeyAuthentication=no nobody@www.example.org true
    run ssh "${ssh_options[@]}" -i user_key root@www.example.org 'for i in 1 2 3 4; do echo line $i; sleep 0.7; done'
    run ssh "${ssh_options[@]}" -6 -i user_key root@www.example.org 'seq 300'
    run scp -q "${ssh_options[@]}" -i user_key root@www.example.org:"$work/www/photo.bin" "$work/copied"
}
mail_and_files() {
    service smtp-client mail.example.org ca.pem
    web ftp://www.example.org/
    web -4 --ftp-port - ftp://www.example.org/index.html
    web -6 ftp://www.example.org/photo.bin
    web tftp://192.0.2.1/boot.img
}
management() {
    run udhcpc -i eth0 -n -q -f -s /bin/true -x hostname:client
    run chronyd -Q -t 6 'server 192.0.2.1 iburst' 'cmdport 0' 'user root' "pidfile $work/q4.pid"
    run snmpget -v2c -c public 192.0.2.1 1.3.6.1.2.1.1.1.0 1.3.6.1.2.1.1.5.0
    run snmpbulkwalk -v2c -c public 192.0.2.1 1.3.6.1.2.1.1
    run snmpget -v3 -l authPriv -u reader -a SHA -A 'a pass phrase' -x AES -X 'another phrase' 192.0.2.1 1.3.6.1.2.1.1.6.0
    run logger -n 192.0.2.1 -P 514 -d -t app --id=1 --rfc5424=notq,notime,nohost "nobody listens"     # port unreachable
    run logger -n 2001:db8::1 -P 514 -d -t app --id=1 --rfc5424=notq,notime,nohost "nobody listens"
}
pings() {
    run ping -c 4 -i 0.3 192.0.2.1
    run ping -c 2 -i 0.3 -s 4000 192.0.2.80             # fragments
    run ping -c 3 -i 0.3 2001:db8::1
    run ping -c 2 -i 0.3 -s 3000 2001:db8::80           # fragment headers
    run ping -c 2 -i 0.3 -I 192.0.2.20 192.0.2.1
    run ping -c 1 -W 1 192.0.2.99                       # nobody there: ARP only
}
corners() {
    for corner in lines reset refused silent reuse half_close keepalive mptcp udplite window; do talk $corner 192.0.2.80; done
    for corner in lines reset refused; do talk $corner 2001:db8::80; done
}
scan() {
    run nmap -n -Pn -sS --max-retries 1 -p 20-30,79-82,110,143,443,4444 192.0.2.80
    run nmap -n -Pn -sU --max-retries 1 --max-rtt-timeout 300ms -p 53,123,137,161,500,4444 192.0.2.1
    run nmap -n -Pn -6 -sT --max-retries 1 -p 22,80,3306,5432 2001:db8::80
}
multicast() {
    background at server "$python" -B "$here/services.py" mdns-server 192.0.2.80
    sleep 2
    service mdns-client 192.0.2.10
}

SECONDS=0
step() { echo "$SECONDS s: $1"; "$@"; }
step names
step pages
step corners & cornering=$!
step bad_line & losing=$!
step secure
step quic
step shells
step mail_and_files
step pings
step management
step multicast
step scan
wait $cornering $losing
echo "$SECONDS s: quiet until the long connection speaks again"
wait $pausing
step names                                              # flows that are young when the recording ends
web -4 $www/index.html
step pings
sleep 1
echo "$SECONDS s: done"

# ---------------------------------------------------------------- the result
kill -INT "$(at wire pgrep -x tcpdump)"
for _ in $(seq 50); do at wire pgrep -x tcpdump >/dev/null || break; sleep 0.1; done
mkdir -p "$(dirname "$out")"
cp "$work/sample.pcap" "$out"
ls -l "$out"
echo "ended with an error (meant to: dig -p 4444, curl without --cacert, sshpass, ping 192.0.2.99):"
cat failed
