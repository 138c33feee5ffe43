//! Why values differ from those of the reference, the Python package JoyfulJay 0.1.6.1: the reasons that columns name with `differs`.

/// Each reason, and what it is. A column names one; a test holds the names together.
pub const DIFFERENCES: [(&str, &str); 62] = [
    (
        "flow-id",
        "The reference hashes the addresses, ports and protocol alone, so that all records of one 5-tuple share an id; here each record has its own.",
    ),
    (
        "first-header",
        "The reference takes the Next Header field of the fixed IPv6 header; here extension headers are walked to the protocol above them.",
    ),
    (
        "captured-lengths",
        "The reference counts captured bytes, which Ethernet padding lengthens and a snap length shortens; here lengths come from headers.",
    ),
    (
        "division",
        "Where the divisor is 0 the reference gives the numerator or infinity; here it is null.",
    ),
    (
        "header-stack",
        "The reference knows two or three headers; here VLAN tags, MPLS labels, extension headers and tunnels have their labels.",
    ),
    (
        "lone-packet",
        "The reference has no burst in a record of one packet; here that packet is one.",
    ),
    (
        "zero-padded",
        "The reference fills sequences with zeros, which cannot be told from values; here a list is as long as it is, unless `pad` says otherwise.",
    ),
    (
        "direction-by-address",
        "The reference fills the sequence with zeros and takes directions from addresses without ports, which is wrong between ports of one host.",
    ),
    (
        "two-packet-handshake",
        "The reference asks for SYN and SYN+ACK only; here the third packet completes the handshake.",
    ),
    (
        "ended-by-fin",
        "The reference ends a record with its first FIN or RST, so that it hardly ever sees both; here a record ends when both FINs are acknowledged.",
    ),
    (
        "captured-prefix",
        "The reference reads the first 256 bytes of single packets; here a hello is put together over segments and records, and is null where it is not whole.",
    ),
    (
        "type-byte",
        "The reference takes any payload with byte 22 and, at the sixth place, 1, of any protocol; here a hello must parse wholly, and one of the server is enough.",
    ),
    (
        "legacy-version",
        "The reference gives the legacy field, which is never TLS 1.3; here supported_versions decides (RFC 8446 section 4.2.1).",
    ),
    (
        "offered-protocol",
        "The reference gives the first protocol that the client offers; here the one that the server chose, where that can be seen.",
    ),
    (
        "fingerprint-prefix",
        "The reference hashes what lies in the first 256 bytes of single packets; here a hello is whole or has no fingerprint.",
    ),
    (
        "handshake-bytes",
        "The reference counts packets of any protocol whose first payload byte is 22; here packets that bring the first byte of a handshake record.",
    ),
    (
        "certificates-prefix",
        "The reference counts in the first 256 bytes of single packets, which hold no chain; here whole messages are read, and TLS 1.3, which encrypts them, gives null.",
    ),
    (
        "resumption",
        "The reference takes any client that could resume for one that did; here the answer of the server decides (RFC 8446 section 2.2, RFC 5246 section 7.3).",
    ),
    (
        "client-share",
        "The reference gives the first share that the client offers, GREASE among them; here the group that the server chose.",
    ),
    (
        "quic-bits",
        "The reference looks at two bits of the first byte; here version, lengths and form of a long header must be valid.",
    ),
    (
        "protected-bits",
        "The reference reads bits that are under header protection (RFC 9001 section 5.4); here they are decrypted.",
    ),
    (
        "quic-types",
        "The reference takes the type bits of version 1 for all versions, of the first packet of a datagram or flow; here all packets count by the bits of their version.",
    ),
    (
        "spin-bit",
        "The reference mixes both directions; here each is compared with itself.",
    ),
    (
        "encrypted-initial",
        "The reference looks for names in encrypted bytes and finds none; here Initial packets are decrypted.",
    ),
    (
        "http2-guess",
        "The reference takes any nine bytes for a frame; here HTTP/2 starts with its preface, an upgrade or ALPN, and frames are counted from there.",
    ),
    (
        "http3-bytes",
        "The reference looks for the bytes \"h3\" in encrypted datagrams; here ALPN of the decrypted ClientHello decides.",
    ),
    (
        "stream-zero",
        "The reference counts stream 0, that of the connection, as a stream.",
    ),
    (
        "ssh-banner",
        "The reference wants the line at the start of a packet, in any packet; here it is the first of its stream, and other lines may come before it.",
    ),
    (
        "hassh-prefix",
        "The reference has 256 bytes of a packet, which hold no whole KEXINIT of a real client; here it is put together.",
    ),
    (
        "ssh-lengths",
        "The reference reads four bytes of any payload as a length, encrypted ones too; here the packets of each direction are followed.",
    ),
    (
        "first-message",
        "The reference reads the first message of a flow, a query as a rule, over UDP port 53; here queries and responses each give their columns, over TCP, mDNS and LLMNR too.",
    ),
    (
        "name-case",
        "The reference keeps the case of names and writes some labels in hexadecimal digits; here names are in lower case and other bytes are escaped.",
    ),
    (
        "few-gaps",
        "The reference calls every record of two packets one of constant rate; here four are needed.",
    ),
    (
        "burst-padding",
        "The reference counts captured bytes, and gives 0 or 1 for a record of one packet.",
    ),
    (
        "doh-without-name",
        "The reference never sees the name of the server; here it enters the rule.",
    ),
    (
        "encrypted-default",
        "The reference calls everything \"encrypted\" that has no other label; here that is said of encrypted protocols only.",
    ),
    (
        "uniformity",
        "The reference takes the Gini-Simpson index, which hardly varies; here it is 1 - chi-square / (255 n).",
    ),
    (
        "tag-type",
        "The reference gives the EtherType of a VLAN tag; here the one behind all tags.",
    ),
    (
        "distinct-values",
        "The reference counts distinct values less one; here changes from packet to packet.",
    ),
    ("ttl-32", "The reference knows no initial TTL of 32."),
    (
        "least-value",
        "The reference gives the least value over both directions, and none for IPv6 where it is about TOS; here it is that of the first packet.",
    ),
    (
        "mixed-ids",
        "The reference mixes the counters of both directions; here each is compared with itself.",
    ),
    (
        "first-number",
        "The reference takes the first sequence number that it sees; here it is that of a SYN.",
    ),
    (
        "repeated-numbers",
        "The reference asks whether the same sequence number was seen before; here what a segment covers is compared with what was there (RFC 9293 section 3.4).",
    ),
    (
        "expected-number",
        "The reference lets an acknowledgement without payload take a sequence number, so that flows without loss seem out of order; here SYN, payload and FIN take numbers.",
    ),
    (
        "acknowledgement-field",
        "The reference counts every TCP packet as an acknowledgement, and data with the same number as duplicates; here the ACK flag counts, and RFC 5681 section 2 says what a duplicate is.",
    ),
    (
        "reset-windows",
        "The reference counts the windows of RST packets.",
    ),
    (
        "scaled-syn",
        "The reference scales the windows of SYN packets, and by an option that only one side sent.",
    ),
    (
        "first-block",
        "The reference counts one block for each option, whatever it holds (with its usual reader).",
    ),
    (
        "option-packets",
        "The reference counts packets by a mixture of first and any options; here packets with an option other than paddings.",
    ),
    (
        "mptcp-subtype",
        "The reference sees no MPTCP option with its usual reader, and no subtype with the other.",
    ),
    (
        "doubled-half",
        "Without a third packet the reference gives twice the time from SYN to SYN+ACK, and the first of several SYNs counts; here it is null.",
    ),
    (
        "repeated-echoes",
        "In the reference every packet that repeats an echo gives a sample, so that idle time counts as a round trip; here only acknowledgements that advance do (RFC 7323 section 4.1).",
    ),
    (
        "mixed-jitter",
        "The reference takes differences across both directions, of its own samples (tcp_rtt_min).",
    ),
    (
        "exact-acknowledgements",
        "The reference wants the number of an acknowledgement to be the end of a segment, and measures segments that were sent again; here cumulative acknowledgements count, and Karn's algorithm holds.",
    ),
    (
        "hash-of-ttl",
        "The reference hashes window, TTL, MSS, scale and two flags, though the TTL depends on the path; here it is window, option kinds, MSS and scale as text.",
    ),
    (
        "old-systems",
        "The reference has a few rules of old systems; here there is no hint without a table of signatures.",
    ),
    (
        "random-offset",
        "The reference assumes a clock of 100 Hz that started at 0, which no current system has; here the rate is measured, and a random offset gives null.",
    ),
    (
        "no-icmpv6",
        "The reference knows ICMP only; here ICMPv6 counts too.",
    ),
    (
        "more-than-all",
        "In the reference replies to nothing count, so that it may exceed 1.",
    ),
    (
        "which-messages",
        "In the reference its reader decides which messages have an identifier; here echo and timestamp messages of both versions do.",
    ),
    (
        "sorted-numbers",
        "The reference sorts the numbers of requests and replies together; here requests with the same identifier are followed in their order.",
    ),
];

/// What a reason is, by its name.
pub fn difference(name: &str) -> Option<&'static str> {
    let mut all = DIFFERENCES.iter();
    all.find_map(|(known, why)| (*known == name).then_some(*why))
}
