//! The settings of `[flows]`.

use super::stages::Stage;
use crate::options::{
    Duration, OptionError, OptionValue, Options, Setting, Step, Timeout, Wrong, wrong_kind,
};

/// Settings of `[flows]`: what belongs to one flow record, and when it ends.
#[derive(Clone, Debug, Options)]
pub struct FlowOptions {
    /// Only packets for which this expression is true enter the flow table: `'pkt.dst_port == 53'`. It reads fields of the packet
    /// alone; the others are skipped as `filtered`.
    #[option(name = "where")]
    pub condition: Option<String>,
    /// What makes a flow: `5tuple` (`2tuple`: addresses; `3tuple`: addresses and protocol), with any of `vlan`, `tunnel`, `mac`,
    /// and where flows span inputs (`merge = "all"`) of `sensor`, `source`.
    #[option(default = "5tuple")]
    pub key: Vec<KeyPart>,
    /// Whether both directions are one record. With `false` each is a record of its own, whose initiator is the sender of all its
    /// packets; TCP then closes it by its RST, or by its FIN.
    #[option(default = "true")]
    pub bidirectional: bool,
    /// A record ends before a packet that comes more than this after its last; a duration for all protocols, or a table with any
    /// of `tcp`, `udp`, `icmp`, `other`.
    #[option(default = "60s")]
    pub idle_timeout: IdleTimeout,
    /// A record ends before the first packet that comes this long or longer after its first; the next one continues it.
    #[option(default = "off")]
    pub active_timeout: Timeout,
    /// How long a closed TCP record waits for stragglers.
    #[option(default = "5s")]
    pub tcp_linger: Duration,
    /// How TCP ends a record: `tcp` (both FINs acknowledged, or RST), `fin-rst` (first FIN or RST), `never`.
    #[option(default = "tcp")]
    pub terminate: Terminate,
    /// Open records at most, over all 256 shards (of each source, with `merge = "none"`).
    #[option(default = "1048576")]
    pub max_flows: u64,
    /// What happens when a shard is full: `lru` (the record seen longest ago ends), `oldest` (the one that started first ends),
    /// `refuse` (the new packet is skipped).
    #[option(default = "lru")]
    pub evict: Evict,
    /// Whether the ICMP identifier is part of the key: `none` or `id`.
    #[option(default = "none")]
    pub icmp_key: IcmpKey,
    /// Who started the flow: `syn` (the sender of the first packet, or its receiver if that is a SYN+ACK), `first` (always the
    /// sender), `port` (the end with the higher port).
    #[option(default = "syn")]
    pub initiator: InitiatorRule,
    /// Points at which a record gives a row before its end: `["8 packets", "5s"]`. The column `flow_stage` says which row it is.
    #[option(default = "[]")]
    pub early: Vec<Stage>,
    /// A record ends with the packet for which this is true: `'count() >= 100'`, over the packets so far; before the packet where it
    /// reads `pkt.iat`: `'pkt.iat > 5s'`.
    #[option]
    pub end_when: Option<String>,
    /// Keeps a share of the flows: `{ rate = 0.1, by = "flow", seed = 0 }`, or of the packets with `by = "packet"`.
    #[option]
    pub sampling: Option<Sampling>,
}

impl FlowOptions {
    /// What `flow_stage` calls the points at which rows are given; none where each record gives one.
    pub fn stages(&self) -> Vec<String> {
        self.early.iter().map(Stage::to_string).collect()
    }

    /// Whether ports are part of the key.
    pub fn has_ports(&self) -> bool {
        let without = [KeyPart::ThreeTuple, KeyPart::TwoTuple];
        !self.key.iter().any(|part| without.contains(part))
    }

    /// Whether the protocol is.
    pub fn has_protocol(&self) -> bool {
        !self.key.contains(&KeyPart::TwoTuple)
    }

    /// How long records stay open.
    pub fn open(&self) -> Open {
        let IdleTimeout {
            tcp,
            udp,
            icmp,
            other,
        } = self.idle_timeout;
        let all = [tcp, udp, icmp, other].into_iter();
        let idle = all.reduce(|one, other| Some(one?.max(other?))).flatten();
        Open {
            idle: idle.map(|idle| idle.max(self.tcp_linger.0)),
            active: self.active_timeout.0.map(|Duration(ns)| ns),
        }
    }
}

/// How long records stay open: what decides when all records of a window are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// How long after its last packet a record is known at the latest, ns; `None` = at the end of the input.
    pub idle: Option<i64>,
    /// How long a record lasts at most, ns; `None` = as long as the input.
    pub active: Option<i64>,
}

/// A part of the flow key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum KeyPart {
    /// Addresses, ports and protocol.
    #[option(name = "5tuple")]
    FiveTuple,
    /// Addresses and protocol.
    #[option(name = "3tuple")]
    ThreeTuple,
    /// Addresses.
    #[option(name = "2tuple")]
    TwoTuple,
    /// The outer VLAN id.
    Vlan,
    /// Protocol and addresses of the outermost IP header.
    Tunnel,
    /// The MAC addresses.
    Mac,
    /// The `sensor` of the source.
    Sensor,
    /// The name of the source.
    Source,
}

/// How TCP ends a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Terminate {
    /// Both FINs acknowledged, or RST.
    Tcp,
    /// The first FIN or RST that is not the record's first packet.
    FinRst,
    /// TCP flags end nothing.
    Never,
}

/// What happens when a shard is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Evict {
    /// The record seen longest ago ends.
    Lru,
    /// The record that started first ends.
    Oldest,
    /// The new packet is skipped.
    Refuse,
}

/// Whether the ICMP identifier is part of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum IcmpKey {
    /// It is not.
    None,
    /// It is.
    Id,
}

/// Who started a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum InitiatorRule {
    /// The sender of the first packet, or its receiver if that is a SYN+ACK.
    Syn,
    /// The sender of the first packet.
    First,
    /// The end with the higher port.
    Port,
}

/// Idle timeouts by protocol, ns; `None` = never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct IdleTimeout {
    /// TCP.
    pub tcp: Option<i64>,
    /// UDP.
    pub udp: Option<i64>,
    /// ICMP and ICMPv6.
    pub icmp: Option<i64>,
    /// All other protocols.
    pub other: Option<i64>,
}

impl IdleTimeout {
    /// The timeout of a protocol.
    pub const fn of(&self, protocol: u8) -> Option<i64> {
        match protocol {
            6 => self.tcp,
            17 => self.udp,
            1 | 58 => self.icmp,
            _ => self.other,
        }
    }
}

impl OptionValue for IdleTimeout {
    fn kind() -> String {
        "a duration, \"off\", or a table of such by protocol".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let Setting::Table(parts) = setting else {
            let all = Timeout::read(setting)?.0.map(|duration| duration.0);
            return Ok(Self {
                tcp: all,
                udp: all,
                icmp: all,
                other: all,
            });
        };
        let minute = Some(60_000_000_000);
        let mut timeouts = Self {
            tcp: minute,
            udp: minute,
            icmp: minute,
            other: minute,
        };
        for (name, value) in parts {
            let place = match name.as_str() {
                "tcp" => &mut timeouts.tcp,
                "udp" => &mut timeouts.udp,
                "icmp" => &mut timeouts.icmp,
                "other" => &mut timeouts.other,
                _ => {
                    let known = ["tcp", "udp", "icmp", "other"].map(str::to_owned).to_vec();
                    return Err(OptionError::from(Wrong::UnknownKey(name.clone(), known))
                        .inside(Step::Key(name.clone())));
                }
            };
            *place = Timeout::read(value)
                .map_err(|error| error.inside(Step::Key(name.clone())))?
                .0
                .map(|duration| duration.0);
        }
        Ok(timeouts)
    }
}

/// A deterministic sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Share that is kept, 0 to 1.
    pub rate: f64,
    /// Whether packets are sampled instead of flows.
    pub by_packet: bool,
    /// Another seed keeps others.
    pub seed: u64,
}

impl OptionValue for Sampling {
    fn kind() -> String {
        "a table { rate, by, seed }".to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let Setting::Table(parts) = setting else {
            return wrong_kind(&Self::kind(), setting);
        };
        let mut sampling = Self {
            rate: 1.0,
            by_packet: false,
            seed: 0,
        };
        for (name, value) in parts {
            let read = match name.as_str() {
                "rate" => f64::read(value).and_then(|rate| {
                    sampling.rate = rate;
                    let known = (0.0..=1.0).contains(&rate);
                    if known {
                        Ok(())
                    } else {
                        Err(
                            Wrong::Other(format!("expected a share from 0 to 1, found {rate}"))
                                .into(),
                        )
                    }
                }),
                "by" => match value {
                    Setting::Text(text) if text == "flow" || text == "packet" => {
                        sampling.by_packet = text == "packet";
                        Ok(())
                    }
                    _ => Err(Wrong::Choice(
                        "unit of sampling".to_owned(),
                        vec!["flow".to_owned(), "packet".to_owned()],
                    )
                    .into()),
                },
                "seed" => u64::read(value).map(|seed| sampling.seed = seed),
                _ => Err(Wrong::UnknownKey(
                    name.clone(),
                    ["rate", "by", "seed"].map(str::to_owned).to_vec(),
                )
                .into()),
            };
            read.map_err(|error: OptionError| error.inside(Step::Key(name.clone())))?;
        }
        Ok(sampling)
    }
}
