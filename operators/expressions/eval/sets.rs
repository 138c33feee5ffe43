//! `in`: values written out, ranges and networks; and lists of a column.

use super::{Data, Payload, operations};
use crate::columns::Address;
use crate::expressions::syntax::Net;

/// The values behind an `in`: sorted ranges, both ends included, so that a look-up is a search by halves.
#[derive(Clone, Debug, PartialEq)]
pub enum Set {
    /// Whole numbers, times and durations.
    Ints(Vec<(i64, i64)>),
    /// Floats.
    Floats(Vec<(f64, f64)>),
    /// Texts.
    Texts(Vec<(Vec<u8>, Vec<u8>)>),
    /// Addresses of each family, as numbers.
    Ips([Vec<(u128, u128)>; 2]),
}

/// An address as a number.
pub(in crate::expressions) fn number(address: &Address) -> u128 {
    let number = u128::from_be_bytes(address.bytes);
    if address.family == 4 {
        number >> 96
    } else {
        number
    }
}

/// First and last address of a network, as numbers.
pub(in crate::expressions) fn ends(net: &Net) -> (u128, u128) {
    let width = if net.address.family == 4 { 32 } else { 128 };
    let free = width - u32::from(net.bits).min(width);
    let mask = 1_u128.checked_shl(free).map_or(u128::MAX, |one| one - 1);
    let first = number(&net.address) & !mask;
    (first, first | mask)
}

/// Sorts ranges; those that overlap become one.
pub(in crate::expressions) fn ranges<T: PartialOrd + Clone>(mut all: Vec<(T, T)>) -> Vec<(T, T)> {
    all.retain(|(from, to)| from <= to);
    all.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    let mut merged: Vec<(T, T)> = Vec::new();
    for (from, to) in all {
        match merged.last_mut() {
            Some((_, last)) if from <= *last => {
                if to > *last {
                    *last = to;
                }
            }
            _ => merged.push((from, to)),
        }
    }
    merged
}

fn has<T: PartialOrd<U>, U: ?Sized>(ranges: &[(T, T)], value: &U) -> bool {
    let after = ranges.partition_point(|(from, _)| from <= value);
    let range = after.checked_sub(1).and_then(|at| ranges.get(at));
    range.is_some_and(|(_, to)| to >= value)
}

operations! {
    /// Whether a value is in the set that is written out.
    IN_SET = "in_set", Operands, |c| {
        let Payload::Set(_, set) = c.payload else {
            unreachable!("checked: a set is carried along")
        };
        let values = match (&c.arg(0).data, &**set) {
            (Data::Int(values), Set::Ints(set)) => values.iter().map(|value| has(set, value)).collect(),
            (Data::Float(values), Set::Floats(set)) => values.iter().map(|value| has(set, value)).collect(),
            (Data::Text(values), Set::Texts(set)) => {
                values.iter().map(|value| {
                    let after = set.partition_point(|(from, _)| from.as_slice() <= value);
                    let range = after.checked_sub(1).and_then(|at| set.get(at));
                    range.is_some_and(|(_, to)| to.as_slice() >= value)
                }).collect()
            }
            (Data::Ip(values), Set::Ips(families)) => values.iter().map(|value| {
                has(&families[usize::from(value.family != 4)], &number(value))
            }).collect(),
            _ => unreachable!("checked: the set is of the type of the value"),
        };
        c.truths(values)
    };
    /// Whether a value is in a list of the row.
    IN_LIST = "in_list", Operands, |c| {
        let lists = c.lists(1);
        let value = c.arg(0);
        let found = lists.ranges().enumerate().map(|(row, range)| {
            range.into_iter().any(|at| {
                lists.items.is_valid(at) && super::lists::same(value, row, &lists.items, at)
            })
        });
        c.truths(found.collect())
    };
    /// The address with all but its first bits cleared.
    NETWORK = "network", Always, |c| {
        let pairs = c.ips(0).iter().zip(c.ints(1));
        let values = pairs.map(|(address, bits)| {
            let most = if address.family == 4 { 32 } else { 128 };
            let bits = u8::try_from(*bits).ok().filter(|bits| *bits <= most)?;
            let (first, _) = ends(&Net { address: *address, bits });
            let first = if address.family == 4 { first << 96 } else { first };
            Some(Ip(Address { family: address.family, bytes: first.to_be_bytes() }))
        });
        c.optional(values, false, |values| {
            Data::Ip(values.iter().map(|ip| ip.0).collect())
        })
    };
    IP_VERSION = "ip_version", Operands, |c| {
        c.numbers(c.ips(0).iter().map(|ip| i64::from(ip.family)).collect())
    };
    IS_PRIVATE = "is_private", Operands, |c| c.truths(c.ips(0).iter().map(is_private).collect());
    IS_MULTICAST = "is_multicast", Operands, |c| {
        let is = |ip: &Address| std::net::IpAddr::from(*ip).is_multicast();
        c.truths(c.ips(0).iter().map(is).collect())
    };
}

/// An address with a default.
#[derive(Clone)]
struct Ip(Address);

impl Default for Ip {
    fn default() -> Self {
        Self(crate::expressions::vector::ZERO)
    }
}

/// RFC 1918, RFC 4193; loopback and link-local addresses too, as none of them is seen on the internet.
fn is_private(ip: &Address) -> bool {
    match std::net::IpAddr::from(*ip) {
        std::net::IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        std::net::IpAddr::V6(ip) => {
            ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local()
        }
    }
}
