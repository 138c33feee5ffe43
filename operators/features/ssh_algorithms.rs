//! What both sides of an SSH connection offer, and what they agree on (RFC 4253 section 7.1): columns of the group `ssh` that the
//! reference lacks.
//!
//! Only what somebody asked for is kept. `ssh.rs` feeds it.

use super::extractor::Wanted;
use crate::packet::Direction;
use crate::protocols::ssh::{self, NameLists};
use crate::schema::Features;
use std::collections::HashSet;

/// Further columns of group `ssh`, in output order. They look at the first KEXINIT of each direction; an algorithm is agreed on if it is
/// the first of the initiator's list that the responder lists too. Names are cut behind 64 characters.
#[derive(Default, Features)]
#[features(group = "ssh", profile = "JF-EXTRA", source = "RFC 4253 section 7.1")]
pub struct SshAlgorithms {
    /// The text that ssh_hassh is made of, its first 4,096 characters.
    #[column(
        scope = "fwd",
        split = "no",
        null = "no whole KEXINIT of the initiator",
        source = "Salesforce, HASSH"
    )]
    pub hassh_string: Option<String>,
    /// The text that ssh_hassh_server is made of, its first 4,096 characters.
    #[column(
        scope = "bwd",
        split = "no",
        null = "no whole KEXINIT of the responder",
        source = "Salesforce, HASSH"
    )]
    pub hassh_server_string: Option<String>,
    /// Key exchange that they agree on.
    #[column(
        scope = "flow",
        null = "no whole KEXINIT of both, or they do not agree"
    )]
    pub ssh_kex_alg: Option<String>,
    /// Type of the host key that they agree on.
    #[column(
        scope = "flow",
        null = "no whole KEXINIT of both, or they do not agree"
    )]
    pub ssh_host_key_alg: Option<String>,
    /// Encryption of the initiator's direction that they agree on; where the other direction has another, "/" and that.
    #[column(
        scope = "flow",
        null = "no whole KEXINIT of both, or they do not agree"
    )]
    pub ssh_cipher: Option<String>,
    /// MAC of the initiator's direction that they agree on, not used by a cipher that has its own; where the other direction has another,
    /// "/" and that.
    #[column(
        scope = "flow",
        null = "no whole KEXINIT of both, or they do not agree"
    )]
    pub ssh_mac: Option<String>,
    /// Compression of the initiator's direction that they agree on; where the other direction has another, "/" and that.
    #[column(
        scope = "flow",
        null = "no whole KEXINIT of both, or they do not agree"
    )]
    pub ssh_compression: Option<String>,
}

/// Characters of the texts that are hashed, and of a name.
const TEXT: usize = 4096;
const NAME: usize = 64;

/// The name-lists of the first KEXINIT of each direction.
#[derive(Default)]
pub struct Lists([Option<Box<Eight>>; 2]);

/// All but the lists of languages.
type Eight = [Box<[u8]>; 8];

impl Lists {
    /// Takes a KEXINIT.
    pub fn take(&mut self, lists: &NameLists<'_>, from: Direction) {
        let kept = || Box::new(lists.first_eight().map(Into::into));
        from.of_mut(&mut self.0).get_or_insert_with(kept);
    }

    /// The columns.
    pub fn columns(&self) -> SshAlgorithms {
        let [client, server] = self.0.each_ref().map(Option::as_deref);
        let [
            kex,
            _,
            to_server,
            to_client,
            mac_to,
            mac_from,
            zip_to,
            zip_from,
        ] = [0, 1, 2, 3, 4, 5, 6, 7];
        let text = |lists: Option<&Eight>, places: [usize; 4]| {
            let mut text = lists.map(|lists| ssh::hassh_text(places.map(|at| &*lists[at])))?;
            text.truncate(TEXT);
            Some(text)
        };
        let agreed = |at: usize| {
            let (client, server) = client.zip(server)?;
            agreed(&client[at], &server[at])
        };
        let both = |to: usize, back: usize| {
            let (to, back) = agreed(to).zip(agreed(back))?;
            Some(if to == back {
                to
            } else {
                format!("{to}/{back}")
            })
        };
        SshAlgorithms {
            hassh_string: text(client, [kex, to_server, mac_to, zip_to]),
            hassh_server_string: text(server, [kex, to_client, mac_from, zip_from]),
            ssh_kex_alg: agreed(kex),
            ssh_host_key_alg: agreed(1),
            ssh_cipher: both(to_server, to_client),
            ssh_mac: both(mac_to, mac_from),
            ssh_compression: both(zip_to, zip_from),
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        let sides = self.0.iter().flatten();
        let bytes = |lists: &Eight| lists.iter().map(|list| list.len()).sum::<usize>();
        sides
            .map(|lists| size_of_val(&**lists) + bytes(lists))
            .sum()
    }
}

impl SshAlgorithms {
    /// Whether somebody wants one of the columns.
    pub fn is_wanted(wanted: &Wanted) -> bool {
        let columns = Self::schema();
        wanted.any(|name| columns.iter().any(|column| column.name == name))
    }
}

/// The first name of the client's list that the server lists too.
fn agreed(client: &[u8], server: &[u8]) -> Option<String> {
    let is_comma = |byte: &u8| *byte == b',';
    let offered: HashSet<&[u8]> = server.split(is_comma).collect();
    let found = client
        .split(is_comma)
        .find(|name| !name.is_empty() && offered.contains(name))?;
    let mut text = ssh::text(found);
    text.truncate(NAME);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Backward, Forward};

    /// The body of a KEXINIT with these lists and two of languages.
    fn body(lists: [&str; 8]) -> Vec<u8> {
        let mut body = vec![0; 16];
        for list in lists.into_iter().chain(["", ""]) {
            body.extend((list.len() as u32).to_be_bytes());
            body.extend(list.as_bytes());
        }
        body.extend([0; 5]);
        body
    }

    fn columns(sides: &[(Direction, [&str; 8])]) -> SshAlgorithms {
        let mut kept = Lists::default();
        for (from, lists) in sides {
            let body = body(*lists);
            kept.take(&NameLists::read(&body).expect("lists"), *from);
        }
        kept.columns()
    }

    const CLIENT: [&str; 8] = [
        "k1,k2,ext-info-c",
        "h1,h2",
        "c1,c2",
        "c1,c2",
        "m1,m2",
        "m1,m2",
        "none,z",
        "none",
    ];

    #[test]
    fn the_first_of_the_client_that_the_server_has() {
        let server = [
            "k3,k2,k1", "h2", "c2,c1", "c2", "m2", "m2,m1", "z,none", "none",
        ];
        let row = columns(&[(Forward, CLIENT), (Backward, server), (Forward, server)]);
        assert_eq!(row.ssh_kex_alg.as_deref(), Some("k1"));
        assert_eq!(row.ssh_host_key_alg.as_deref(), Some("h2"));
        assert_eq!(row.ssh_cipher.as_deref(), Some("c1/c2"));
        assert_eq!(row.ssh_mac.as_deref(), Some("m2/m1"));
        assert_eq!(row.ssh_compression.as_deref(), Some("none"));
        assert_eq!(
            row.hassh_string.as_deref(),
            Some("k1,k2,ext-info-c;c1,c2;m1,m2;none,z")
        );
        assert_eq!(
            row.hassh_server_string.as_deref(),
            Some("k3,k2,k1;c2;m2,m1;none")
        );
    }

    #[test]
    fn no_agreement_is_none() {
        let alone = columns(&[(Forward, CLIENT)]);
        assert!(alone.hassh_string.is_some() && alone.hassh_server_string.is_none());
        assert_eq!(alone.ssh_kex_alg, None);
        let row = columns(&[(Forward, CLIENT), (Backward, [""; 8])]);
        assert_eq!((row.ssh_kex_alg, row.ssh_cipher), (None, None));
    }
}
