//! Headers as one blob: for each, the name's and the value's length (32 bits, little-endian), then both. A record
//! without headers has no blob.

/// Headers as they are stored; `None` when there are none.
pub(super) fn encode(headers: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    if headers.is_empty() {
        return None;
    }
    let mut blob = Vec::new();
    for (name, value) in headers {
        // The record's size limit is 32 bits wide, so its parts are too.
        blob.extend_from_slice(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_le_bytes());
        blob.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
        blob.extend_from_slice(name.as_bytes());
        blob.extend_from_slice(value);
    }
    Some(blob)
}

/// Headers as they were; `None` when the blob is not one of [`encode`].
pub(super) fn decode(mut blob: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut headers = Vec::new();
    while !blob.is_empty() {
        let (name_length, rest) = blob.split_first_chunk::<4>()?;
        let (value_length, rest) = rest.split_first_chunk::<4>()?;
        let (name, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*name_length)).ok()?)?;
        let (value, rest) =
            rest.split_at_checked(usize::try_from(u32::from_le_bytes(*value_length)).ok()?)?;
        headers.push((String::from_utf8(name.to_vec()).ok()?, value.to_vec()));
        blob = rest;
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn headers_come_back_as_they_were(headers in proptest::collection::vec((".{0,9}", proptest::collection::vec(any::<u8>(), 0..9)), 0..5)) {
            let blob = encode(&headers).unwrap_or_default();
            prop_assert_eq!(decode(&blob), Some(headers));
        }

        #[test]
        fn no_blob_panics(blob in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&blob);
        }
    }
}
