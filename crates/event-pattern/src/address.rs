//! IP addresses and CIDR blocks.

use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::error::PatternError;

/// An address of either family. Families never equal each other; an IPv4-mapped IPv6 address is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) v6: bool,
    pub(crate) bits: u128,
}

impl Address {
    /// The address that `text` writes out, if it does.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        // 45 characters are the longest IPv6 form; anything longer is only zeros before an IPv4 octet, which nobody writes.
        if text.len() > 45 || text.len() < 2 {
            return None;
        }
        if looks_v4(text) {
            parse_v4(text)
        } else if looks_v6(text) {
            parse_v6(text)
        } else {
            None
        }
    }

    fn width(self) -> u8 {
        if self.v6 { 128 } else { 32 }
    }
}

fn looks_v4(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit) && text.iter().all(|b| b.is_ascii_digit() || *b == b'.')
}

fn looks_v6(text: &[u8]) -> bool {
    text.iter().all(|b| b.is_ascii_hexdigit() || *b == b':') && text.contains(&b':')
}

fn parse_v4(text: &[u8]) -> Option<Address> {
    let mut bits = 0u128;
    let mut octets = 0;
    for part in text.split(|b| *b == b'.') {
        if part.is_empty() {
            return None;
        }
        let octet =
            part.iter().try_fold(0u32, |sum, b| Some(sum * 10 + u32::from(b - b'0')).filter(|sum| *sum <= 255))?;
        bits = (bits << 8) | u128::from(octet);
        octets += 1;
    }
    (octets == 4).then_some(Address { v6: false, bits })
}

fn parse_v6(text: &[u8]) -> Option<Address> {
    let address = Ipv6Addr::from_str(std::str::from_utf8(text).ok()?).ok()?;
    Some(match address.to_ipv4_mapped() {
        Some(v4) => Address { v6: false, bits: u128::from(v4.to_bits()) },
        None => Address { v6: true, bits: address.to_bits() },
    })
}

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cidr {
    /// The first address of the block.
    pub(crate) base: Address,
    /// Leading bits that all addresses of the block share.
    pub(crate) mask_bits: u8,
}

impl Cidr {
    /// Reads `10.0.0.0/24`; bits after the mask are ignored.
    ///
    /// # Errors
    /// With the texts of AWS, which has no place for them.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let parts: Vec<&str> = text.split('/').collect();
        let [address_text, mask_text] = parts.as_slice() else {
            return Err(PatternError::new("Malformed CIDR, one '/' required"));
        };
        if mask_text.is_empty() {
            return Err(PatternError::new("Malformed CIDR, one '/' required"));
        }
        let Ok(mask) = mask_text.parse::<i32>() else {
            return Err(PatternError::new("Malformed CIDR, mask bits must be an integer"));
        };
        if mask < 0 {
            return Err(PatternError::new("Malformed CIDR, mask bits must not be negative"));
        }
        let Some(address) = Address::parse(address_text.as_bytes()) else {
            let dotted = address_text.split('.').count() == 4 && looks_v4(address_text.as_bytes());
            let kind = if dotted || looks_v6(address_text.as_bytes()) { "Invalid" } else { "Nonstandard" };
            return Err(PatternError::new(format!("{kind} IP address: {address_text}")));
        };
        match u8::try_from(mask) {
            Ok(mask_bits) if mask_bits <= address.width() => {
                Ok(Self { base: Self::first(address, mask_bits), mask_bits })
            }
            _ if address.v6 => Err(PatternError::new("IPv6 mask bits must be < 129")),
            _ => Err(PatternError::new("IPv4 mask bits must be < 33")),
        }
    }

    /// The first address of the block of `mask_bits` around `address`.
    pub(crate) fn first(address: Address, mask_bits: u8) -> Address {
        let host_bits = u32::from(address.width().saturating_sub(mask_bits));
        let bits = address.bits.checked_shr(host_bits).and_then(|network| network.checked_shl(host_bits)).unwrap_or(0);
        Address { bits, ..address }
    }

    pub(crate) fn contains(self, address: Address) -> bool {
        address.v6 == self.base.v6 && Self::first(address, self.mask_bits) == self.base
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Cidr};

    fn check(block: &str, address: &str, expect: bool) {
        let block = Cidr::parse(block).unwrap();
        assert_eq!(
            Address::parse(address.as_bytes()).is_some_and(|a| block.contains(a)),
            expect,
            "{block:?} {address}"
        );
    }

    #[test]
    fn blocks_contain_their_addresses() {
        check("10.0.0.0/24", "10.0.0.255", true);
        check("10.0.0.0/24", "10.0.1.0", false);
        check("10.0.0.77/24", "10.0.0.1", true);
        check("0.0.0.0/0", "255.255.255.255", true);
        check("0.0.0.0/0", "::1", false);
        check("10.1.2.3/32", "10.1.2.3", true);
        check("10.1.2.3/32", "010.1.2.003", true);
        check("10.1.2.3/32", "10.1.2.4", false);
        check("2001:db8::/32", "2001:db8:1234:1a00::1", true);
        check("2001:db8::/32", "2001:db9::", false);
        check("::/0", "2001:db9::", true);
        check("2001:db8::1/128", "2001:0db8:0:0:0:0:0:1", true);
        for text in ["10.0.0", "10.0.0.256", "10.0.0.0.0", "a.b.c.d", "", ":", "1.2.3.4 ", "12", "..."] {
            assert_eq!(Address::parse(text.as_bytes()), None, "{text}");
        }
    }
}
