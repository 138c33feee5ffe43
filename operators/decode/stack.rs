//! The header stack of a packet, `ETH-VLAN-IP6-HBH-TCP`: packed into one word of [`Header`](crate::packet::Header), written out
//! for the first packet of a flow only.
//!
//! A stack that does not fit is [`UNPACKED`]; [`describe`](super::describe) then walks the frame again.

use super::options::Tunnel;

macro_rules! labels {
    ($($label:ident = $text:literal,)+) => {
        /// A header, as stacks name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the text is the definition")]
        #[repr(u8)]
        pub enum Label { $($label,)+ }

        impl Label {
            /// Every label, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$label,)+];

            /// The label in a stack; `PROTO` is followed by the protocol number there.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$label => $text,)+ }
            }
        }
    };
}
labels! {
    Eth = "ETH",
    Sll = "SLL",
    Sll2 = "SLL2",
    Ppp = "PPP",
    Pppoe = "PPPOE",
    Raw = "RAW",
    Null = "NULL",
    Wifi = "WIFI",
    Vlan = "VLAN",
    Mpls = "MPLS",
    Ip = "IP",
    Ip6 = "IP6",
    HopByHop = "HBH",
    Routing = "RT",
    Fragment = "FRAG",
    Destination = "DST",
    Ah = "AH",
    Esp = "ESP",
    Gre = "GRE",
    Vxlan = "VXLAN",
    Geneve = "GENEVE",
    Gtp = "GTP",
    Tcp = "TCP",
    Udp = "UDP",
    Sctp = "SCTP",
    Icmp = "ICMP",
    Icmp6 = "ICMP6",
    Igmp = "IGMP",
    Proto = "PROTO",
    // Extension headers without a name of their own. The last one has no code of 5 bits: its stacks are not packed.
    Mobility = "PROTO135",
    Hip = "PROTO139",
    Shim6 = "PROTO140",
}

/// Labels of a packed stack at most.
pub const MOST: u32 = 12;

/// A stack that has no packed form. No packed stack looks like it: their 4 highest bits are 0.
pub const UNPACKED: u64 = u64::MAX;

const BITS: u32 = 5;
const MASK: u64 = 31;

/// What takes the labels of a walk, outermost first.
pub trait Labels: Clone {
    /// Adds the next one. `protocol` is the number of a [`Label::Proto`].
    fn push(&mut self, label: Label, protocol: u8);

    /// Notes a tunnel, outermost first, and the number of the network or the endpoint in its header, where it has one.
    fn tunnel(&mut self, _tunnel: Tunnel, _id: Option<u32>) {}
}

/// A packed stack; 0 is the empty one.
impl Labels for u64 {
    fn push(&mut self, label: Label, _protocol: u8) {
        *self = packed(*self, label);
    }
}

/// A stack as text.
impl Labels for (String, u32) {
    fn push(&mut self, label: Label, protocol: u8) {
        let (text, count) = self;
        if !text.is_empty() {
            text.push('-');
        }
        text.push_str(label.name());
        if label == Label::Proto {
            text.push_str(&protocol.to_string());
        }
        *count = count.saturating_add(1);
    }
}

/// The stack with one more label.
const fn packed(stack: u64, label: Label) -> u64 {
    let code = (label as u64).wrapping_add(1); // 0 is no label
    let full = stack >> (BITS * (MOST - 1)) != 0;
    if full || code > MASK {
        UNPACKED
    } else {
        stack << BITS | code
    }
}

/// A stack known beforehand.
pub(super) const fn pack(labels: &[Label]) -> u64 {
    let (mut stack, mut rest) = (0, labels);
    while let [label, others @ ..] = rest {
        stack = packed(stack, *label);
        rest = others;
    }
    stack
}

/// Number of labels of a packed stack; `None` where it is [`UNPACKED`].
pub const fn count(stack: u64) -> Option<u32> {
    if stack == UNPACKED {
        return None;
    }
    Some(u64::BITS.wrapping_sub(stack.leading_zeros()).div_ceil(BITS))
}

/// A packed stack as text, outermost label first; `None` where it is [`UNPACKED`]. `protocol` is that of the packet.
pub fn text(stack: u64, protocol: u8) -> Option<String> {
    let mut whole = (String::new(), 0);
    for place in (0..count(stack)?).rev() {
        let code = stack >> place.saturating_mul(BITS) & MASK;
        let label = usize::try_from(code).ok()?.checked_sub(1)?;
        whole.push(*Label::ALL.get(label)?, protocol);
    }
    Some(whole.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_survives_packing() {
        for label in Label::ALL {
            let stack = pack(&[*label]);
            if *label == Label::Shim6 {
                assert_eq!(stack, UNPACKED);
            } else {
                let name = label.name();
                let name = if name == "PROTO" { "PROTO253" } else { name };
                assert_eq!(text(stack, 253).as_deref(), Some(name));
                assert_eq!(count(stack), Some(1));
            }
        }
    }

    #[test]
    fn a_stack_is_read_outermost_first() {
        let stack = pack(&[
            Label::Eth,
            Label::Vlan,
            Label::Ip6,
            Label::HopByHop,
            Label::Tcp,
        ]);
        assert_eq!(text(stack, 6).as_deref(), Some("ETH-VLAN-IP6-HBH-TCP"));
        assert_eq!(count(stack), Some(5));
        assert_eq!((count(0), text(0, 6).as_deref()), (Some(0), Some("")));
    }

    #[test]
    fn twelve_labels_fit() {
        let twelve = pack(&[Label::Hip; 12]);
        assert_eq!(count(twelve), Some(12));
        assert_eq!(text(twelve, 0), Some(["PROTO139"; 12].join("-")));
        assert_eq!(packed(twelve, Label::Eth), UNPACKED);
        assert_eq!(packed(UNPACKED, Label::Eth), UNPACKED);
        assert_eq!((count(UNPACKED), text(UNPACKED, 0)), (None, None));
    }
}
