//! Guesses at what a flow is for: Tor, a VPN, DNS over HTTPS, or anything else that is encrypted.
//!
//! Rules of thumb on ports and lengths, kept as they are known from JoyfulJay; only names and detected protocols are facts.

use super::extractor::{Extractor, Needs, NoOptions, Wanted};
use crate::flows::Flow;
use crate::packet::{Direction, Packet};
use crate::protocols::tls::{self, ClientHello, Hellos};
use crate::protocols::{Message, Protocols, quic, ssh};
use crate::schema::Features;
use std::borrow::Cow;

/// Columns of group `fingerprint`, in output order. L is the IP length of a packet; F and B are the packets of initiator and responder.
#[derive(Features)]
#[features(profile = "JJ-EXPERIMENTAL")]
pub struct Fingerprint {
    /// tor_confidence >= 0.5.
    #[column(scope = "flow")]
    pub likely_tor: bool,
    /// 0.4 if share of packets with 580<=L<=600 is > 0.7, + 0.3 if pkt_size_cv < 0.1 (mean 0 counts as cv 1), + 0.1 if dst_port in
    /// {443,9001,9030,9050,9051}; capped at 1.
    #[column(scope = "flow")]
    pub tor_confidence: f64,
    /// vpn_confidence >= 0.4.
    #[column(scope = "flow")]
    pub likely_vpn: bool,
    /// UDP: +0.5 if either port 1194, +0.5 if dst_port 51820, +0.4 if dst_port 500 or 4500, +0.4 if dst_port 1701; protocol 50 or 51:
    /// +0.7; +0.2 if more than half of the packets have 1400<=L<=1500; capped at 1.
    #[column(scope = "flow")]
    pub vpn_confidence: f64,
    /// Label of the last matching rule in the order openvpn, wireguard, ipsec-esp/ipsec-ah, ipsec-ike, l2tp.
    #[column(scope = "flow", null = "no rule matched")]
    pub vpn_type: Option<&'static str>,
    /// tls_sni (QUIC included; a final dot removed) equals or is a subdomain of a listed DoH provider, or doh_confidence >= 0.35.
    #[column(scope = "flow", differs = "doh-without-name")]
    pub likely_doh: bool,
    /// SNI match: 0.6 + 0.1 (duration<1 s) + 0.1 (<20 packets); otherwise TCP to dst_port 443 only; 0 unless at most 15 packets, at
    /// least 2 of F and of B, their numbers at most 3 apart, max L of F <=600, sum of L of F <=2000 and of B <=5000; then 0.15 if 0.5 <
    /// sum of B/sum of F < 10, +0.15 if duration<0.5 s, +0.1 if F and B have at most 6 packets each.
    #[column(scope = "flow", differs = "doh-without-name")]
    pub doh_confidence: f64,
    /// "tor" if likely_tor; else `vpn:<vpn_type>` or "vpn" if likely_vpn; else "doh" if likely_doh; else "encrypted" if TLS, QUIC or SSH
    /// was detected; else "unknown".
    #[column(scope = "flow", differs = "encrypted-default")]
    pub traffic_type: Cow<'static, str>,
}

/// Names of resolvers that answer DNS over HTTPS.
const DOH_PROVIDERS: [&str; 9] = [
    "cloudflare-dns.com",
    "dns.google",
    "dns.google.com",
    "doh.opendns.com",
    "dns.quad9.net",
    "doh.cleanbrowsing.org",
    "dns.adguard.com",
    "doh.dns.sb",
    "dns.nextdns.io",
];

const UDP: u8 = 17;
const ESP: u8 = 50;
const AH: u8 = 51;
/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// What is kept of an open record. Packets and bytes of each direction are those of the record.
#[derive(Default)]
pub struct State {
    /// Sum of the squares of L.
    squares: u128,
    /// Packets as long as those that hold one cell of Tor.
    cells: u64,
    /// Packets about as long as they can be.
    large: u64,
    /// Largest L of F.
    longest: u32,
    /// Whether the name in a ClientHello is that of a resolver.
    hellos: Hellos<bool, ()>,
    /// QUIC or SSH was detected.
    is_encrypted: bool,
}

/// Whether it wants a server that answers DNS over HTTPS, or one below it.
pub(super) fn is_resolver(hello: &ClientHello<'_>) -> bool {
    let Some(name) = hello.server_name() else {
        return false;
    };
    let end = name.iter().rposition(|byte| *byte != b'.');
    let name = name.get(..end.map_or(0, |end| end + 1)).unwrap_or(&[]);
    DOH_PROVIDERS.iter().any(|provider| {
        let Some(rest) = name.len().checked_sub(provider.len()) else {
            return false;
        };
        let (subdomain, domain) = name.split_at(rest);
        domain.eq_ignore_ascii_case(provider.as_bytes())
            && (subdomain.is_empty() || subdomain.ends_with(b"."))
    })
}

impl State {
    fn tor(&self, flow: &Flow) -> f64 {
        let packets = flow.packets.iter().sum::<u64>();
        let sum = flow.bytes.iter().sum::<u64>();
        // cv = sqrt(n * S2 - S1^2) / S1
        let spread = u128::from(packets) * self.squares - u128::from(sum) * u128::from(sum);
        #[expect(clippy::cast_precision_loss, reason = "rounded once, at the end")]
        let is_even = sum > 0 && (spread as f64).sqrt() / (sum as f64) < 0.1;
        let is_cells = 10 * u128::from(self.cells) > 7 * u128::from(packets);
        let is_port = [443, 9001, 9030, 9050, 9051].contains(&flow.responder().port);
        score([(is_cells, 0.4), (is_even, 0.3), (is_port, 0.1)])
    }

    fn vpn(&self, flow: &Flow) -> (f64, Option<&'static str>) {
        let (protocol, port) = (flow.key.protocol, flow.responder().port);
        let is_udp = protocol == UDP;
        let rules = [
            (
                is_udp && [port, flow.initiator().port].contains(&1194),
                0.5,
                "openvpn",
            ),
            (is_udp && port == 51820, 0.5, "wireguard"),
            (protocol == ESP, 0.7, "ipsec-esp"),
            (protocol == AH, 0.7, "ipsec-ah"),
            (is_udp && [500, 4500].contains(&port), 0.4, "ipsec-ike"),
            (is_udp && port == 1701, 0.4, "l2tp"),
        ];
        let packets = flow.packets.iter().sum::<u64>();
        let is_large = 2 * u128::from(self.large) > packets.into();
        let scores = rules.iter().map(|(is_so, score, _)| (*is_so, *score));
        let confidence = score(scores.chain([(is_large, 0.2)]));
        let label = rules.iter().rev().find(|rule| rule.0).map(|rule| rule.2);
        (confidence, label)
    }

    fn doh(&self, flow: &Flow, is_named: bool) -> f64 {
        let duration = flow.end.abs_diff(flow.start);
        let ([forward, backward], [up, down]) = (flow.packets, flow.bytes);
        let packets = forward + backward;
        if is_named {
            return score([(true, 0.6), (duration < SECOND, 0.1), (packets < 20, 0.1)]);
        }
        let is_small = flow.is_tcp()
            && flow.responder().port == 443
            && packets <= 15
            && forward.min(backward) >= 2
            && forward.abs_diff(backward) <= 3
            && self.longest <= 600
            && up <= 2000
            && down <= 5000;
        score([
            (is_small && up < 2 * down && down < 10 * up, 0.15),
            (is_small && duration < SECOND / 2, 0.15),
            (is_small && forward.max(backward) <= 6, 0.1),
        ])
    }
}

/// The sum of what applies, at most 1.
fn score(rules: impl IntoIterator<Item = (bool, f64)>) -> f64 {
    let applies = rules.into_iter().filter(|(is_so, _)| *is_so);
    applies
        .fold(0.0, |sum: f64, (_, score)| sum + score)
        .min(1.0)
}

impl Extractor for State {
    type Features = Fingerprint;
    type Options = NoOptions;
    /// The protocols whose messages a column stands on that is wanted.
    type Plan = Protocols;

    fn needs(protocols: &Protocols) -> Needs {
        Needs::messages(*protocols)
    }

    fn plan(_: &NoOptions, wanted: &Wanted) -> Protocols {
        let on_messages = ["likely_doh", "doh_confidence", "traffic_type"];
        if !wanted.any(|name| on_messages.contains(&name)) {
            return Protocols::NONE;
        }
        let hellos = Protocols::TLS.union(Protocols::QUIC);
        let hellos = hellos.union(if wanted.dtls {
            Protocols::DTLS
        } else {
            Protocols::NONE
        });
        hellos.union(Protocols::SSH)
    }

    fn packet(&mut self, packet: &Packet<'_>, _: &Flow, _: &Protocols) {
        let length = packet.ip_len;
        self.squares += u128::from(length) * u128::from(length);
        self.cells += u64::from((580..=600).contains(&length));
        self.large += u64::from((1400..=1500).contains(&length));
        if packet.is_forward() {
            self.longest = self.longest.max(length);
        }
    }

    fn message(&mut self, message: &Message<'_>, from: Direction, _: i64, _: &Protocols) {
        match message {
            Message::Dtls(dtls) => match dtls.message {
                tls::Message::ClientHello(hello) => {
                    if dtls.is_earlier {
                        self.hellos.forget_client(from);
                    }
                    self.hellos.client(from, || is_resolver(&hello));
                }
                tls::Message::ServerHello(_) => self.hellos.server(from, || ()),
                _ => {}
            },
            Message::Tls(tls::Message::ClientHello(hello)) => {
                self.hellos.client(from, || is_resolver(hello));
            }
            Message::Tls(tls::Message::ServerHello(_)) => self.hellos.server(from, || ()),
            Message::Quic(message) => {
                self.is_encrypted = true;
                if let quic::Message::ClientHello(hello) = message {
                    self.hellos.client(from, || is_resolver(hello));
                }
            }
            Message::Ssh(ssh::Message::Line(_)) => self.is_encrypted = true,
            _ => {}
        }
    }

    fn finish(&self, flow: &Flow, _: &Protocols) -> Fingerprint {
        let is_named = self.hellos.pair().0 == Some(&true);
        let tor_confidence = self.tor(flow);
        let (vpn_confidence, vpn_type) = self.vpn(flow);
        let doh_confidence = self.doh(flow, is_named);
        let likely_tor = tor_confidence >= 0.5;
        let likely_vpn = vpn_confidence >= 0.4;
        let likely_doh = is_named || doh_confidence >= 0.35;
        let traffic_type = match vpn_type {
            _ if likely_tor => "tor".into(),
            Some(label) if likely_vpn => format!("vpn:{label}").into(),
            None if likely_vpn => "vpn".into(),
            _ if likely_doh => "doh".into(),
            _ if self.is_encrypted || self.hellos.server_side().is_some() => "encrypted".into(),
            _ => "unknown".into(),
        };
        Fingerprint {
            likely_tor,
            tor_confidence,
            likely_vpn,
            vpn_confidence,
            vpn_type,
            likely_doh,
            doh_confidence,
            traffic_type,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Packets, back, forth};
    use super::*;

    #[test]
    fn cells_of_tor() {
        let flow = (0..4).fold(Packets::tcp(), |flow, _| flow.push(forth().ip(586)));
        let row = flow.clone().finish::<State>(&NoOptions);
        assert!(row.likely_tor && (row.tor_confidence - 0.8).abs() < 1e-12);
        assert_eq!(row.traffic_type, "tor");
        let flow = flow.push(back().ip(40)).push(back().ip(40));
        let row = flow.finish::<State>(&NoOptions);
        assert!(!row.likely_tor && (row.tor_confidence - 0.1).abs() < 1e-12);
        assert_eq!(row.traffic_type, "unknown");
    }

    #[test]
    fn the_last_rule_names_the_vpn() {
        let mut flow = Packets::udp().push(forth().ip(1450)).push(back().ip(100));
        flow.flow.ports = [1194, 1701];
        let row = flow.clone().finish::<State>(&NoOptions);
        assert_eq!(row.traffic_type, "vpn:l2tp");
        assert!((row.vpn_confidence - 0.9).abs() < 1e-12);
        let row = flow.push(back().ip(1400)).finish::<State>(&NoOptions);
        assert!((row.vpn_confidence - 1.0).abs() < 1e-12, "1.1 is capped");
    }

    #[test]
    fn a_short_exchange_may_be_dns_over_https() {
        let exchange = |flow: Packets| flow.push(forth().ip(500)).push(back().ip(900));
        let flow = exchange(exchange(Packets::tcp()));
        let row = flow.clone().finish::<State>(&NoOptions);
        assert!(row.likely_doh && (row.doh_confidence - 0.4).abs() < 1e-12);
        let row = flow.push(forth().ip(601)).finish::<State>(&NoOptions);
        assert!(!row.likely_doh && row.doh_confidence == 0.0);
    }

    #[test]
    fn names_of_resolvers() {
        let named = |name: &str| {
            let length = |bytes: usize| (bytes as u16).to_be_bytes();
            let list = [&[0][..], &length(name.len()), name.as_bytes()].concat();
            let body = [&length(list.len())[..], &list].concat();
            let extension = [&[0, 0][..], &length(body.len()), &body].concat();
            let start = [&[3, 3][..], &[0; 33], &[0, 2, 0x13, 1, 1, 0]].concat();
            let hello = [&start[..], &length(extension.len()), &extension].concat();
            is_resolver(&tls::client_hello(&hello).expect("a hello"))
        };
        assert!(named("DNS.google.") && named("dns.google") && named("8.dns.google"));
        assert!(!named("xdns.google") && !named("google") && !named("dns.google.example"));
    }
}
