//! DTLS through the whole program: a ClientHello in two datagrams that come in the wrong order, for 1 and 3 workers.

use std::process::Command;

/// RFC 6347: a ClientHello of DTLS 1.2 and 1.3 for `a.example`, cut behind its 40th byte.
const SPEC: &str = r#"spec = 1
[sources]
path = "nothing.pcap"
[features]
groups = ["flow_meta", "tls", "fingerprint"]
add = ["dtls", "ja4", "service"]
dtls = DTLS
[sinks]
path = "never.csv"
[tests.fragments]
workers = [1, 3]
rows = 2
packets = [
  { src = "10.0.0.1:5000", dst = "10.0.0.2:4433", udp = { payload = "hex:SECOND" } },
  { src = "10.0.0.1:5000", dst = "10.0.0.2:4433", udp = { payload = "hex:FIRST" } },
  { src = "10.0.0.1:5001", dst = "10.0.0.2:4433", udp = { payload = "hex:FIRST" } },
]
expect = [
  { src_port = 5000, EXPECTED },
  { src_port = 5001, tls_detected = false, dtls = false, ja4 = "null", service = "null", traffic_type = "unknown" },
]
"#;
const FIRST: &str = "16fefd00000000000000000034010000470000000000000028fefd070707070707070707070707070707070707070707070707070707070707070700000002c02b";
const SECOND: &str = "16fefd0000000000000001002b01000047000000002800001f0100001b0000000e000c000009612e6578616d706c65002b000504fefcfefd";

fn passes(setting: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let text = SPEC.replace("DTLS", setting).replace("EXPECTED", expected);
    let text = text.replace("FIRST", FIRST).replace("SECOND", SECOND);
    std::fs::write(folder.path().join("a.toml"), text).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_jayflow"))
        .args(["test", "a.toml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
    assert_eq!(said, "ok   a.toml fragments\n1 test, 0 failed\n");
}

#[test]
fn a_hello_in_two_datagrams() {
    let columns = [
        "tls_detected = true",
        "tls_version = 65276",
        "tls_version_str = \"DTLS 1.3\"",
        "tls_sni = \"a.example\"",
        "tls_cipher_count = 1",
        "tls_handshake_packets = 0",
        "ja4 = \"dd3d010200_648b5c445417_b9a491fefe05\"",
        "dtls = true",
        "service = \"dtls\"",
        "traffic_type = \"encrypted\"",
    ];
    passes("true", &columns.join(", "));
}

#[test]
fn without_the_setting_only_the_service_is_told() {
    let columns = [
        "tls_detected = false",
        "tls_sni = \"null\"",
        "dtls = false",
        "service = \"dtls\"",
        "traffic_type = \"unknown\"",
    ];
    passes("false", &columns.join(", "));
}
