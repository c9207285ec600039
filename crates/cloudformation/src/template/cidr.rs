//! `Fn::Cidr`: address blocks cut from a larger one.
//!
//! AWS: *CloudFormation User Guide*, "Fn::Cidr".

use ipnet::IpNet;
use serde_json::Value;

use super::error::TemplateError;
use crate::limits::CIDR_BLOCKS_MAX;

/// Host bits of the blocks where none are given.
const HOST_BITS: u8 = 8;

/// The first `count` blocks with `bits` host bits of `block`.
///
/// # Errors
/// If `block` is no address block, `count` is not between 1 and [`CIDR_BLOCKS_MAX`], or the block has not enough room.
pub(super) fn blocks(block: &str, count: &str, bits: Option<&str>) -> Result<Value, TemplateError> {
    let wrong = |why: &str| TemplateError::function(format!("Fn::Cidr: {why}"));
    let net: IpNet = block.trim().parse().map_err(|_| wrong(&format!("{block} is not an address block")))?;
    let count: u32 = count.trim().parse().map_err(|_| wrong(&format!("{count} is not a number of blocks")))?;
    if !(1..=CIDR_BLOCKS_MAX).contains(&count) {
        return Err(wrong(&format!("the count is {count}, it must be between 1 and {CIDR_BLOCKS_MAX}")));
    }
    let bits: u8 = match bits {
        Some(bits) => bits.trim().parse().map_err(|_| wrong(&format!("{bits} is not a number of bits")))?,
        None => HOST_BITS,
    };
    let prefix = net.max_prefix_len().checked_sub(bits).filter(|prefix| *prefix >= net.prefix_len());
    let prefix = prefix.ok_or_else(|| wrong(&format!("{block} is too small for blocks of {bits} bits")))?;
    let room = u32::from(prefix - net.prefix_len());
    if room < 32 && count > 1 << room {
        return Err(wrong(&format!("{block} has no room for {count} blocks of {bits} bits")));
    }
    let subnets = net.subnets(prefix).map_err(|cause| wrong(&cause.to_string()))?;
    Ok(subnets.take(count as usize).map(|net| Value::from(net.to_string())).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::blocks;

    #[test]
    fn blocks_are_cut_in_order() {
        let three = json!(["192.168.0.0/27", "192.168.0.32/27", "192.168.0.64/27"]);
        assert_eq!(blocks("192.168.0.0/24", "3", Some("5")).unwrap(), three);
        assert_eq!(blocks("10.0.0.0/16", "1", None).unwrap(), json!(["10.0.0.0/24"]));
        assert_eq!(blocks("2001:db8::/56", "2", Some("64")).unwrap(), json!(["2001:db8::/64", "2001:db8:0:1::/64"]));
        assert!(blocks("10.0.0.0/24", "9", Some("5")).is_err());
        assert!(blocks("10.0.0.0/24", "0", Some("5")).is_err());
        assert!(blocks("10.0.0.0/24", "257", Some("0")).is_err());
        assert!(blocks("10.0.0.0/24", "1", Some("40")).is_err());
        assert!(blocks("x", "1", None).is_err());
    }
}
