//! What a function's role may do with the results of asynchronous invocations, in enforce mode.
//! AWS docs: *Capturing records of Lambda asynchronous invocations*.

use std::sync::Arc;

use haar_iam_contract::peek::IamPeek;
use haar_kernel::{Auth, Principal, Question, Room as _};

use crate::state::FunctionKey;
use crate::{Lambda, Refusal};

/// The service that assumes functions' roles.
pub(crate) const SERVICE: &str = "lambda.amazonaws.com";

/// What a role does with what has such an ARN: the service, the action, and to what.
fn deed(destination: &str) -> Option<(&'static str, &'static str, String)> {
    let whole = destination.to_owned();
    match destination.split(':').nth(2)? {
        "lambda" => Some(("Lambda", "lambda:InvokeFunction", whole)),
        "sqs" => Some(("SQS", "sqs:SendMessage", whole)),
        "sns" => Some(("SNS", "sns:Publish", whole)),
        "events" => Some(("EventBridge", "events:PutEvents", whole)),
        "s3" => Some(("S3", "s3:PutObject", format!("{destination}/*"))),
        _ => None,
    }
}

impl Lambda {
    /// Whether a function's role may send results to a destination: its own policies say, and a
    /// function's resource policy. In permissive mode all may.
    ///
    /// # Errors
    /// In AWS's words, or why the role cannot be assumed.
    pub(crate) fn may_deliver(
        &self,
        function: &FunctionKey,
        role_arn: &str,
        destination: &str,
    ) -> Result<(), String> {
        if self.doors.settings.auth == Auth::Permissive {
            return Ok(());
        }
        let Some(iam) = self.doors.peeks.get::<dyn IamPeek>() else {
            return Ok(()); // nobody knows roles
        };
        let Some((_, action, resource)) = deed(destination) else { return Ok(()) };
        let snapshot = self.doors.ledger.snapshot();
        let source = function.arn();
        let trusted = iam.service_may_assume(&snapshot, role_arn, SERVICE, source.as_str());
        // the session that sends, too, has the function's name
        let session =
            trusted.ok().and_then(|()| iam.role_session(&snapshot, role_arn, &function.name));
        let identity =
            session.ok_or("The role defined for the function cannot be assumed by Lambda.")?;
        let principal = Arc::new(Principal::of(function.account.clone(), identity));
        let call = self.doors.call_as(principal, function.region.clone());
        let policy = match action {
            "lambda:InvokeFunction" => self.resource_policy(&call, &snapshot, &resource),
            _ => None,
        };
        let question = Question { action, resource: &resource, policy, keys: &[] };
        self.doors.authorise(&call, &question).map_err(|error| error.message().to_owned())
    }

    /// Refuses a destination that the function's role may not send to.
    pub(crate) fn check_destination(
        &self,
        function: &FunctionKey,
        role_arn: &str,
        destination: &str,
    ) -> Result<(), Refusal> {
        self.may_deliver(function, role_arn, destination).map_err(|_| {
            let action = deed(destination).map_or("", |(_, action, _)| action);
            let verb = action.split(':').nth(1).unwrap_or_default();
            let verb = if verb == "InvokeFunction" { "Invoke" } else { verb };
            Refusal::invalid(format!(
                "The function execution role does not have permissions to call {verb} on \
                 {destination}"
            ))
        })
    }

    /// Refuses a queue or topic for dead letters that the function's role may not send to.
    pub(crate) fn check_dead_letters(
        &self,
        function: &FunctionKey,
        role_arn: &str,
        target: &str,
    ) -> Result<(), Refusal> {
        self.may_deliver(function, role_arn, target).map_err(|_| {
            let (service, action, _) = deed(target).unwrap_or_default();
            let verb = action.split(':').nth(1).unwrap_or_default();
            Refusal::invalid(format!(
                "The provided execution role does not have permissions to call {verb} on {service}"
            ))
        })
    }
}
