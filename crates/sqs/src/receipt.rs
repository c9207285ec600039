//! Receipt handles: what names one reception of one message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Error;
use crate::keys::Life;

/// The first byte of every handle, so that a later layout can be told from this one.
const VERSION: u8 = 1;

/// One reception of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) life: Life,
    pub(crate) sequence: u64,
    /// Drawn for each reception, never 0.
    pub(crate) nonce: u64,
}

impl Receipt {
    pub(crate) fn handle(&self) -> String {
        let mut bytes = [0; 25];
        let (version, rest) = bytes.split_at_mut(1);
        version.fill(VERSION);
        for (to, part) in rest.chunks_exact_mut(8).zip([self.life, self.sequence, self.nonce]) {
            to.copy_from_slice(&part.to_be_bytes());
        }
        STANDARD.encode(bytes)
    }

    /// Reads a handle.
    pub(crate) fn read(handle: &str) -> Result<Receipt, Error> {
        let invalid = || Error::Receipt(handle.chars().take(1_024).collect());
        let bytes = STANDARD.decode(handle).map_err(|_| invalid())?;
        let (version, rest) = bytes.split_first().ok_or_else(invalid)?;
        if *version != VERSION || rest.len() != 24 {
            return Err(invalid());
        }
        let mut parts = rest.chunks_exact(8).filter_map(|part| part.try_into().ok()).map(u64::from_be_bytes);
        let mut next = || parts.next().ok_or_else(invalid);
        Ok(Receipt { life: next()?, sequence: next()?, nonce: next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::Receipt;

    #[test]
    fn a_handle_names_its_reception_and_nothing_else_is_one() {
        let receipt = Receipt { life: u64::MAX, sequence: 7, nonce: 1 << 40 };
        assert_eq!(Receipt::read(&receipt.handle()).unwrap(), receipt);
        for bad in
            ["", "garbage", "AQ==", &receipt.handle().replacen('A', "", 1), &format!("{}A", receipt.handle()), "é"]
        {
            assert!(Receipt::read(bad).is_err(), "{bad}");
        }
    }
}
