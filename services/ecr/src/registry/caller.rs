//! Who calls the registry, and which one. AWS docs: *Amazon ECR User Guide > Private registry
//! authentication*.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use haar_iam_contract::peek::SessionCredentials;
use haar_kernel::{Auth, Call, IdentityError, Principal};
use haar_types::Region;
use http::StatusCode;
use http::request::Parts;

use super::fault::Fault;
use super::header_text;
use crate::Ecr;
use crate::rules::{hosts, names};
use crate::state::{RegistryKey, RepositoryKey};

/// A request to a registry.
pub(super) struct Caller {
    pub(super) call: Call,
    pub(super) registry: RegistryKey,
}

impl Caller {
    /// The repository of a name in the caller's registry.
    pub(super) fn repository(&self, name: &str) -> Result<RepositoryKey, Fault> {
        match names::is_repository(name) {
            true => Ok(self.registry.repository(name)),
            false => Err(Fault::bad_name(name)),
        }
    }
}

/// The password that goes with the user `AWS`: whose it is, and the region it was asked for in.
pub(crate) fn password_of(credentials: &SessionCredentials, region: &Region) -> String {
    let SessionCredentials { access_key_id, session_token, .. } = credentials;
    URL_SAFE_NO_PAD.encode(format!("{access_key_id}\n{region}\n{session_token}"))
}

/// A password, read.
struct Password {
    access_key_id: String,
    region: Region,
    session_token: String,
}

impl Password {
    /// Reads the `Authorization` of a request, if it has one of ours.
    fn of(parts: &Parts) -> Option<Self> {
        let basic = header_text(parts, "authorization")?.strip_prefix("Basic ")?;
        let pair = String::from_utf8(STANDARD.decode(basic.trim()).ok()?).ok()?;
        let (user, password) = pair.split_once(':')?;
        if user != "AWS" {
            return None;
        }
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(password).ok()?).ok()?;
        let mut lines = text.split('\n').map(str::to_owned);
        Some(Self {
            access_key_id: lines.next()?,
            region: lines.next()?.parse().ok()?,
            session_token: lines.next()?,
        })
    }
}

/// Finds out who calls which registry: the one that the host names, else the one that the
/// token was asked for in, else haar's own.
///
/// # Errors
/// 401 with a challenge; in permissive mode only for `/v2/`, where clients ask how to log in.
pub(super) fn identify(room: &Ecr, parts: &Parts) -> Result<Caller, Fault> {
    let (doors, settings) = (&room.doors, &room.doors.settings);
    let host = parts.uri.authority().map(|it| it.as_str()).or(header_text(parts, "host"));
    let host = host.unwrap_or("localhost");
    let named = hosts::registry_of(host);
    let password = Password::of(parts);
    let principal = match &password {
        None => None,
        Some(password) => match proven(room, password) {
            Ok(principal) => Some(principal),
            Err(error) if settings.auth == Auth::Enforce => return Err(refused(error, host)),
            Err(_) => None,
        },
    };
    let region = match (&named, &password) {
        (Some(named), _) => named.region.clone(),
        (None, Some(password)) => password.region.clone(),
        (None, None) => settings.region.clone(),
    };
    let account = named.map(|named| named.account);
    let is_ping = matches!(parts.uri.path(), "/v2" | "/v2/");
    let asks = is_ping && !parts.headers.contains_key(http::header::AUTHORIZATION);
    let principal = match principal {
        Some(principal) => principal,
        None if asks || settings.auth == Auth::Enforce => return Err(challenge(host)),
        None => {
            let account = account.clone().unwrap_or_else(|| settings.account.clone());
            Arc::new(Principal::root(account))
        }
    };
    let registry = RegistryKey {
        account: account.unwrap_or_else(|| principal.account.clone()),
        region: region.clone(),
    };
    let call = Call {
        endpoint: format!("http://{host}").into(),
        source_ip: parts.extensions.get::<IpAddr>().copied(),
        user_agent: header_text(parts, "user-agent").map(Arc::from),
        ..doors.call_as(principal, region)
    };
    Ok(Caller { call, registry })
}

fn proven(room: &Ecr, password: &Password) -> Result<Arc<Principal>, IdentityError> {
    let (snapshot, now) = (room.doors.ledger.snapshot(), room.doors.clock.machine().now());
    let Password { access_key_id, session_token, .. } = password;
    let found = room.identities.identify(&snapshot, access_key_id, Some(session_token), now);
    found.map(|identity| identity.principal)
}

fn refused(error: IdentityError, host: &str) -> Fault {
    match error {
        IdentityError::Expired => {
            let text = "Your authorization token has expired. Reauthenticate and try again.";
            Fault::new(StatusCode::FORBIDDEN, "DENIED", text)
        }
        IdentityError::Unknown | IdentityError::BadToken => challenge(host),
    }
}

fn challenge(host: &str) -> Fault {
    let how = format!("Basic realm=\"http://{host}/\",service=\"ecr.amazonaws.com\"");
    Fault::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Not Authorized")
        .header("www-authenticate", how)
}
