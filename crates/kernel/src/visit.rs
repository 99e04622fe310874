//! Requests that no operation stands behind: how a [`Site`](crate::Site) asks the gate who comes,
//! and whether they may.

use std::net::IpAddr;
use std::sync::Arc;

use haar_policy::Decision;
use haar_types::{AccountId, RequestId};
use haar_wire::AwsError;
use haar_wire::sigv4::Dialect;
use http::request::Parts;

use crate::gate::{self, Caller, Presented, Question};
use crate::{Auth, Call, Doors, ForeignPage, Principal};

impl Doors {
    /// Whether policies decide on a request: haar's setting, but that they always decide on what a
    /// page of another site sends.
    pub fn auth_of(&self, parts: &Parts) -> Auth {
        match parts.extensions.get::<ForeignPage>() {
            Some(_) => Auth::Enforce,
            None => self.settings.auth,
        }
    }

    /// Who sent a request, signed for `service` (its signing name), with its circumstances; an
    /// unsigned one is anonymous in `enforce` mode and the account's root otherwise. `body` is
    /// the whole body as it was sent; empty where the signature leaves it out.
    ///
    /// # Errors
    /// A signature that is not the caller's, in the words of the services that speak JSON by paths.
    pub fn visitor(
        &self,
        parts: &Parts,
        body: &[u8],
        service: &'static str,
    ) -> Result<Call, AwsError> {
        let presented = Presented {
            service,
            parts,
            body: Some(body),
            may_be_unsigned: true,
            tells_signature: false,
            uri: "/",
        };
        let caller = gate::caller(&*self.kernel()?, &presented);
        self.visit(caller.map_err(|error| gate::refused(&error, Dialect::RestJson))?, parts)
    }

    /// A visitor that nobody asks for a signature, whatever it brings: anonymous.
    ///
    /// # Errors
    /// While haar stops.
    pub fn passer_by(&self, parts: &Parts) -> Result<Call, AwsError> {
        let (account, region) = (self.settings.account.clone(), self.settings.region.clone());
        let principal = Arc::new(Principal::anonymous(account));
        self.visit(Caller { principal, region, chunks: None, signature: None }, parts)
    }

    fn visit(&self, caller: Caller, parts: &Parts) -> Result<Call, AwsError> {
        let peer = parts.extensions.get::<IpAddr>().copied();
        let request_id = RequestId::new(self.ids.uuid());
        Ok(self.kernel()?.call_of(caller, request_id, parts, peer))
    }

    /// Whether a visitor may do something; in permissive mode everybody may but pages of other
    /// sites.
    ///
    /// # Errors
    /// What the policies say, in AWS's words.
    pub fn authorise(&self, call: &Call, question: &Question<'_>) -> Result<(), AwsError> {
        if call.auth == Auth::Permissive {
            return Ok(());
        }
        let own = self.kernel()?.identities().policies(&self.ledger.snapshot(), &call.principal);
        gate::weigh(call, own, question)
    }

    /// Notes what a caller asks for, where a room weighs it by another action than the
    /// operation's.
    ///
    /// # Errors
    /// While haar stops.
    pub fn note(&self, call: &Call, action: &str) -> Result<(), AwsError> {
        if call.auth != Auth::Permissive {
            gate::note(&*self.kernel()?, call, action);
        }
        Ok(())
    }

    /// Weighs a question about what `owner` owns, for a room that has a say of its own; answers
    /// the decision with its words. The room looks after permissive mode.
    ///
    /// # Errors
    /// While haar stops.
    pub fn decide(
        &self,
        call: &Call,
        question: &Question<'_>,
        owner: Option<&AccountId>,
    ) -> Result<(Decision, String), AwsError> {
        let own = self.kernel()?.identities().policies(&self.ledger.snapshot(), &call.principal);
        Ok(gate::decided(call, own, question, owner))
    }

    /// Who signed a text that came in a form, such as S3's POST policies, with its circumstances.
    /// In permissive mode the key alone says.
    ///
    /// # Errors
    /// A signature that is not the key's, in S3's words.
    pub fn signer(&self, parts: &Parts, signed: &SignedText<'_>) -> Result<Call, AwsError> {
        let caller = gate::signer(&*self.kernel()?, signed, self.auth_of(parts));
        self.visit(caller.map_err(|error| gate::refused(&error, Dialect::S3))?, parts)
    }
}

/// A text and its signature, as forms hold them.
#[derive(Clone, Copy, Debug)]
pub struct SignedText<'a> {
    /// The signing name of the service that it is for.
    pub service: &'static str,
    /// `KEY/DATE/REGION/SERVICE/aws4_request`, or the key alone.
    pub credential: &'a str,
    /// The session's token.
    pub token: Option<&'a str>,
    /// When it says that it was signed: `20260131T093000Z`.
    pub signed_at: Option<&'a str>,
    /// The text.
    pub text: &'a str,
    /// Its signature: in hex, or in Base64 by the key alone, in the manner of version 2.
    pub signature: &'a str,
}
