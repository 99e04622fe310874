//! Client tokens of endpoints, which the model does not mark as such (the kernel looks after
//! those that it marks): the same request again makes nothing new.

use haar_ec2_contract::peek::Place;
use haar_ledger::Tx;
use haar_wire::{AwsError, Shape};
use sha2::{Digest as _, Sha256};

use crate::refusal::refuse;
use crate::state::{TokenRow, key_of};

/// What is known of a request that may be a repetition.
pub(crate) enum Once {
    /// It is the first, or has no token.
    First(First),
    /// It was there before and made this id.
    Again(String),
}

/// A first request, to be kept with what it makes.
pub(crate) struct First(Option<TokenRow>);

impl Once {
    /// Looks a request's token up.
    pub(crate) fn begin(
        tx: &Tx,
        place: &Place,
        operation: &str,
        token: Option<&String>,
        input: &dyn Shape,
    ) -> Result<Self, AwsError> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Ok(Self::First(First(None)));
        };
        let key = key_of(place, &format!("{operation}|{token}"));
        let text = haar_wire::to_json(input).to_string();
        let input: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        match tx.get::<TokenRow>(&key) {
            None => Ok(Self::First(First(Some(TokenRow { key, input, made: String::new() })))),
            Some(known) if known.input == input => Ok(Self::Again(known.made.clone())),
            Some(_) => {
                let text = "The request uses the same client token as a previous, but \
                            non-identical request.";
                Err(refuse("IdempotentParameterMismatch", text))
            }
        }
    }
}

impl First {
    /// Keeps what was made.
    pub(crate) fn made(self, tx: &mut Tx, id: &str) {
        if let Some(row) = self.0 {
            tx.put(TokenRow { made: id.to_owned(), ..row });
        }
    }
}
