//! Passwords: Argon2id (RFC 9106), with the least that is advised for a server that does it for many.

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use thiserror::Error;

/// Long enough that a list of usual ones has few; length is what counts, so nothing else is asked for.
const CHARS_MIN: usize = 12;
/// What is longer is no password, and hashing is not free.
pub(crate) const BYTES_MAX: usize = 1_024;

/// Why a password can't be taken.
#[derive(Debug, Error)]
pub(crate) enum PasswordError {
    #[error("the password has fewer than {CHARS_MIN} characters: take a sentence")]
    TooShort,
    #[error("the password is longer than {BYTES_MAX} bytes")]
    TooLong,
    #[error("hash the password: {0}")]
    Hash(String),
}

/// The password as it is kept. 19 MiB and two passes: the default of the library, and of those who advise.
///
/// # Errors
/// [`PasswordError`].
pub(crate) fn hash(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < CHARS_MIN {
        return Err(PasswordError::TooShort);
    }
    if BYTES_MAX < password.len() {
        return Err(PasswordError::TooLong);
    }
    let hashed: Result<PasswordHash, _> = Argon2::default().hash_password(password.as_bytes());
    hashed
        .map(|hash| hash.to_string())
        .map_err(|error| PasswordError::Hash(error.to_string()))
}

/// Whether it is the password. Without a hash to hold it to the work is the same, and the answer no.
pub(crate) fn is_right(password: &str, kept: Option<&str>) -> bool {
    if BYTES_MAX < password.len() {
        return false;
    }
    let matches = Argon2::default()
        .verify_password(password.as_bytes(), kept.unwrap_or(NOBODYS))
        .is_ok();
    matches && kept.is_some()
}

/// Of a password that nobody knows, with the same parameters.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdDE$QV0U6r0Q1J0w4eA4Z1u3xq5h4y0V2o9wY0Jr3bq0l2E";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_is_right_and_two_of_the_same_look_different() {
        let password = "et langt nok passord på norsk";
        let (one, other) = (hash(password).expect("taken"), hash(password).expect("taken"));
        assert_ne!(one, other);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert!(is_right(password, Some(&one)) && is_right(password, Some(&other)));
        assert!(!is_right("et langt nok passord på nynorsk", Some(&one)));
        assert!(!is_right(password, None) && !is_right("", None) && !is_right(password, Some("no hash")));
    }

    #[test]
    fn what_is_short_or_endless_is_not_taken() {
        assert!(matches!(hash("elleve tegn"), Err(PasswordError::TooShort)));
        assert!(matches!(
            hash(&"a".repeat(BYTES_MAX + 1)),
            Err(PasswordError::TooLong)
        ));
        assert!(!is_right(&"a".repeat(BYTES_MAX + 1), None));
    }

    /// Else an account that does not exist would answer at once.
    #[test]
    fn the_hash_of_nobody_is_a_hash_with_the_same_work() {
        let parsed = PasswordHash::new(NOBODYS).expect("a hash");
        let own = PasswordHash::new(&hash("et langt nok passord").expect("taken")).expect("a hash");
        assert_eq!(
            (parsed.algorithm, parsed.version, parsed.params),
            (own.algorithm, own.version, own.params)
        );
        assert!(parsed.hash.is_some());
    }
}
