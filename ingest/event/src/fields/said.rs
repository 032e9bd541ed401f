//! The bytes that a digest of fields is made of.

/// What is digested: of most events on the stack.
pub(super) struct Said {
    first: [u8; 1_024],
    length: usize,
    /// All of it, once it is longer than that.
    long: Vec<u8>,
}

impl Default for Said {
    fn default() -> Self {
        Self {
            first: [0; 1_024],
            length: 0,
            long: Vec::new(),
        }
    }
}

impl Said {
    pub(super) fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(room) = self.first.get_mut(self.length..end) {
            room.copy_from_slice(bytes);
        } else {
            if self.long.is_empty() {
                self.long
                    .extend_from_slice(self.first.get(..self.length).unwrap_or_default());
            }
            self.long.extend_from_slice(bytes);
        }
        self.length = end;
    }

    pub(super) fn put_number(&mut self, kind: u8, number: [u8; 8]) {
        let [a, b, c, d, e, f, g, h] = number;
        self.put(&[kind, a, b, c, d, e, f, g, h]);
    }

    pub(super) fn put_length(&mut self, kind: u8, length: usize) {
        let [a, b, c, d] = (length as u32).to_le_bytes();
        self.put(&[kind, a, b, c, d]);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self.first.get(..self.length) {
            Some(first) if self.long.is_empty() => first,
            Some(_) | None => &self.long,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_all_that_was_put_in_however_long() {
        for each in [1, 7, 512, 1_023, 1_024, 1_025] {
            let (mut said, mut expected) = (Said::default(), Vec::new());
            for round in 0..5_u8 {
                let part = vec![round; each];
                said.put(&part);
                expected.extend_from_slice(&part);
                said.put(&[]);
                said.put_length(9, each);
                expected.push(9);
                expected.extend_from_slice(&(each as u32).to_le_bytes());
                said.put_number(2, [round; 8]);
                expected.push(2);
                expected.extend_from_slice(&[round; 8]);
                assert_eq!(said.bytes(), expected, "{each} bytes, {round}");
            }
        }
    }
}
