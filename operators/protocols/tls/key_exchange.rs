//! The server's part of a key exchange up to TLS 1.2 (RFC 5246 section 7.4.3, RFC 8422 section 5.4, RFC 4279, RFC 5489).

use super::super::reader::Reader;

/// What a ServerKeyExchange message says of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyExchange {
    /// The named curve; finite fields have none.
    pub group: Option<u16>,
    /// Length of the public point, or of the prime, in bits.
    pub bits: u32,
}

/// How a cipher suite agrees on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreement {
    /// Over an elliptic curve (ECDHE), or in a finite field (DHE).
    Ephemeral { is_curve: bool, with_hint: bool },
    /// By other means.
    Other,
}

/// Reads the body of a ServerKeyExchange message of this cipher suite. `None` where it is malformed or of another kind.
pub fn key_exchange(body: &[u8], cipher: u16) -> Option<KeyExchange> {
    let Agreement::Ephemeral {
        is_curve,
        with_hint,
    } = agreement(cipher)
    else {
        return None;
    };
    let mut reader = Reader::new(body);
    if with_hint {
        reader.vector16()?;
    }
    if is_curve {
        const NAMED_CURVE: u8 = 3;
        let is_named = reader.u8()? == NAMED_CURVE;
        let group = Some(reader.u16()?);
        let bytes = u32::try_from(reader.vector8()?.len()).ok()?;
        let bits = bytes.saturating_mul(8);
        return is_named.then_some(KeyExchange { group, bits });
    }
    let prime = reader.vector16()?;
    reader.vector16()?;
    reader.vector16()?;
    let zeros = prime.iter().take_while(|byte| **byte == 0).count();
    let prime = prime.get(zeros..).unwrap_or(&[]);
    let first = prime.first().map_or(0, |byte| byte.leading_zeros());
    let bytes = u32::try_from(prime.len()).ok()?;
    let bits = bytes.saturating_mul(8).saturating_sub(first);
    Some(KeyExchange { group: None, bits })
}

/// From the names of the suites (IANA, TLS Cipher Suites).
const fn agreement(cipher: u16) -> Agreement {
    let (is_curve, with_hint) = match cipher {
        // TLS_ECDHE_ECDSA, TLS_ECDHE_RSA, TLS_ECDH_anon
        0xC006..=0xC00A
        | 0xC010..=0xC019
        | 0xC023..=0xC024
        | 0xC027..=0xC028
        | 0xC02B..=0xC02C
        | 0xC02F..=0xC030
        | 0xC048..=0xC049
        | 0xC04C..=0xC04D
        | 0xC05C..=0xC05D
        | 0xC060..=0xC061
        | 0xC072..=0xC073
        | 0xC076..=0xC077
        | 0xC086..=0xC087
        | 0xC08A..=0xC08B
        | 0xC0AC..=0xC0AF
        | 0xCC13..=0xCC14
        | 0xCCA8..=0xCCA9 => (true, false),
        // TLS_ECDHE_PSK
        0xC033..=0xC03B | 0xC070..=0xC071 | 0xC09A..=0xC09B | 0xCCAC | 0xD001..=0xD005 => {
            (true, true)
        }
        // TLS_DHE_DSS, TLS_DHE_RSA, TLS_DH_anon
        0x0011..=0x001B
        | 0x0032..=0x0034
        | 0x0038..=0x003A
        | 0x0040
        | 0x0044..=0x0046
        | 0x0063
        | 0x0065..=0x0067
        | 0x006A..=0x006D
        | 0x0087..=0x0089
        | 0x0099..=0x009B
        | 0x009E..=0x009F
        | 0x00A2..=0x00A3
        | 0x00A6..=0x00A7
        | 0x00BD..=0x00BF
        | 0x00C3..=0x00C5
        | 0xC042..=0xC047
        | 0xC052..=0xC053
        | 0xC056..=0xC057
        | 0xC05A..=0xC05B
        | 0xC07C..=0xC07D
        | 0xC080..=0xC081
        | 0xC084..=0xC085
        | 0xC09E..=0xC09F
        | 0xC0A2..=0xC0A3
        | 0xCC15
        | 0xCCAA => (false, false),
        // TLS_DHE_PSK
        0x002D
        | 0x008E..=0x0091
        | 0x00AA..=0x00AB
        | 0x00B2..=0x00B5
        | 0xC066..=0xC067
        | 0xC06C..=0xC06D
        | 0xC090..=0xC091
        | 0xC096..=0xC097
        | 0xC0A6..=0xC0A7
        | 0xC0AA..=0xC0AB
        | 0xCCAD => (false, true),
        _ => return Agreement::Other,
    };
    Agreement::Ephemeral {
        is_curve,
        with_hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_fields_and_hints() {
        let curve = [&[3, 0, 29, 32][..], &[7; 32]].concat();
        let found = Some(KeyExchange {
            group: Some(29),
            bits: 256,
        });
        assert_eq!(key_exchange(&curve, 0xC02F), found);
        assert_eq!(key_exchange(&curve[..20], 0xC02F), None, "cut");
        assert_eq!(key_exchange(&curve, 0x002F), None, "TLS_RSA has none");
        let hinted = [&[0, 1, b'x'][..], &curve].concat();
        assert_eq!(key_exchange(&hinted, 0xC035), found);
        let field = [0, 3, 0, 0x1F, 0xFF, 0, 1, 2, 0, 1, 5];
        let found = Some(KeyExchange {
            group: None,
            bits: 13,
        });
        assert_eq!(key_exchange(&field, 0x0039), found);
    }
}
