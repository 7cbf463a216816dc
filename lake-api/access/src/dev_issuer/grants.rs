//! What has been granted and not fetched yet: codes, refresh tokens and devices.
//!
//! Everything expires, everything is bounded in number, and codes and refresh tokens are
//! gone once they were looked at, whatever came of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Most pending entries of one kind.
const MOST: usize = 1000;

/// Lifetime of an authorisation code.
const CODE: Duration = Duration::from_mins(1);

/// Lifetime of a refresh token.
const REFRESH: Duration = Duration::from_hours(8);

/// Lifetime of a device code.
pub(super) const DEVICE: Duration = Duration::from_mins(10);

/// A user's agreement that waits for its code to be exchanged.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) consent: Consent,
}

/// Who agreed to what. Only the public client has users.
#[derive(Debug, Clone)]
pub(super) struct Consent {
    pub(super) subject: String,
    pub(super) scope: String,
    pub(super) nonce: Option<String>,
}

/// A device that waits for its user.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) user_code: String,
    pub(super) scope: String,
    pub(super) answer: Answer,
}

/// What the user of a device said.
#[derive(Debug)]
pub(super) enum Answer {
    Pending,
    Denied,
    Approved(String),
}

/// Entries behind unguessable names that end by themselves.
#[derive(Debug)]
struct Pending<T>(HashMap<String, (Instant, T)>);

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Pending<T> {
    /// Keeps a value and returns its new secret name; `None` when there is no room.
    fn keep(&mut self, value: T, lifetime: Duration) -> Option<String> {
        let now = Instant::now();
        self.0.retain(|_, (end, _)| *end > now);
        if self.0.len() >= MOST {
            return None;
        }
        let name = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        self.0.insert(name.clone(), (now + lifetime, value));
        Some(name)
    }

    fn take(&mut self, name: &str) -> Option<T> {
        let (end, value) = self.0.remove(name)?;
        (end > Instant::now()).then_some(value)
    }

    fn living(&mut self) -> impl Iterator<Item = &mut T> {
        let now = Instant::now();
        self.0.values_mut().filter(move |(end, _)| *end > now).map(|(_, value)| value)
    }
}

/// All pending grants.
#[derive(Debug, Default)]
pub(super) struct Grants {
    codes: Pending<Code>,
    refresh: Pending<Consent>,
    devices: Pending<Device>,
}

impl Grants {
    pub(super) fn keep_code(&mut self, code: Code) -> Option<String> {
        self.codes.keep(code, CODE)
    }

    pub(super) fn take_code(&mut self, name: &str) -> Option<Code> {
        self.codes.take(name)
    }

    pub(super) fn keep_refresh(&mut self, consent: Consent) -> Option<String> {
        self.refresh.keep(consent, REFRESH)
    }

    pub(super) fn take_refresh(&mut self, name: &str) -> Option<Consent> {
        self.refresh.take(name)
    }

    /// A new device: its device code and its user code.
    pub(super) fn keep_device(&mut self, scope: String) -> Option<(String, String)> {
        let user_code = loop {
            let code = user_code();
            if self.device_of(&code).is_none() {
                break code;
            }
        };
        let device = Device { user_code: user_code.clone(), scope, answer: Answer::Pending };
        Some((self.devices.keep(device, DEVICE)?, user_code))
    }

    /// The device with this user code, however the user wrote it.
    pub(super) fn device_of(&mut self, user_code: &str) -> Option<&mut Device> {
        let plain =
            |code: &str| code.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_uppercase();
        let wanted = plain(user_code);
        self.devices.living().find(|device| plain(&device.user_code) == wanted)
    }

    /// The device behind a device code; a device that got its answer is gone afterwards.
    pub(super) fn poll_device(&mut self, device_code: &str) -> Option<Device> {
        let (end, device) = self.devices.0.remove(device_code)?;
        if end <= Instant::now() {
            return None;
        }
        if matches!(device.answer, Answer::Pending) {
            let Device { user_code, scope, answer: _ } = &device;
            let seen = Device { user_code: user_code.clone(), scope: scope.clone(), answer: Answer::Pending };
            self.devices.0.insert(device_code.to_owned(), (end, device));
            return Some(seen);
        }
        Some(device)
    }
}

/// Eight letters without vowels and without letters that look alike (RFC 8628, section 6.1).
fn user_code() -> String {
    const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";
    let mut code = String::new();
    for (place, byte) in rand::random::<[u8; 8]>().into_iter().enumerate() {
        if place == 4 {
            code.push('-');
        }
        // Slightly uneven, which does not matter for a code that lives ten minutes on loopback.
        let letter = LETTERS.get(usize::from(byte) % LETTERS.len()).copied().unwrap_or(b'B');
        code.push(char::from(letter));
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consent() -> Consent {
        Consent { subject: "alice".to_owned(), scope: String::new(), nonce: None }
    }

    #[test]
    fn a_refresh_token_works_once() {
        let mut grants = Grants::default();
        let name = grants.keep_refresh(consent()).unwrap();
        assert!(grants.take_refresh(&name).is_some());
        assert!(grants.take_refresh(&name).is_none());
    }

    #[test]
    fn an_expired_entry_is_gone() {
        let mut pending = Pending::default();
        let name = pending.keep(1, Duration::ZERO).unwrap();
        assert_eq!(pending.take(&name), None);
    }

    #[test]
    fn pending_grants_are_bounded() {
        let mut grants = Grants::default();
        for _ in 0..MOST {
            assert!(grants.keep_refresh(consent()).is_some());
        }
        assert!(grants.keep_refresh(consent()).is_none());
    }

    #[test]
    fn a_user_code_is_found_as_people_write_it() {
        let mut grants = Grants::default();
        let (_, code) = grants.keep_device(String::new()).unwrap();
        assert!(grants.device_of(&code.to_lowercase().replace('-', " ")).is_some());
        assert!(grants.device_of("").is_none());
    }
}
