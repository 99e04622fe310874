//! Where asynchronous invocations may end.

use haar_types::Arn;

use crate::Refusal;

/// How an invocation may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The function answered.
    Success,
    /// It did not.
    Failure,
}

/// An ARN to which nothing can be sent.
pub fn invalid(destination: &str) -> Refusal {
    Refusal::invalid(format!("The destination ARN {destination} is invalid."))
}

/// Refuses what no batch that was given up can be told to: queues and topics without order, and
/// buckets, can. AWS docs: *Retain discarded batch records*.
///
/// # Errors
/// When it is none of these.
pub fn check_discarded(destination: &str) -> Result<(), Refusal> {
    let arn: Arn = destination.parse().map_err(|_| invalid(destination))?;
    match arn.service() {
        "sqs" | "sns" if !arn.resource().ends_with(".fifo") => Ok(()),
        "s3" => Ok(()),
        _ => Err(invalid(destination)),
    }
}

/// Refuses what no result can be sent to.
///
/// # Errors
/// When it is no queue, topic, function, bus or, of failures, bucket, or the function itself.
pub fn check(destination: &str, ending: Ending, function: &Arn) -> Result<(), Refusal> {
    let invalid = || invalid(destination);
    let arn: Arn = destination.parse().map_err(|_| invalid())?;
    let resource = arn.resource();
    let fits = match arn.service() {
        "sqs" | "sns" => !resource.ends_with(".fifo"),
        "lambda" => resource.starts_with("function:"),
        "events" => resource.starts_with("event-bus/"),
        "s3" => ending == Ending::Failure,
        _ => false,
    };
    if !fits {
        return Err(invalid());
    }
    let itself = destination
        .strip_prefix(function.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    if itself {
        return Err(Refusal::invalid(
            "You can't specify the function as a destination for itself.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_go_to_queues_topics_functions_buses_and_buckets() {
        let function: Arn = "arn:aws:lambda:us-east-1:000000000000:function:f".parse().unwrap();
        for fine in [
            "arn:aws:sqs:us-east-1:000000000000:q",
            "arn:aws:sns:us-east-1:000000000000:t",
            "arn:aws:lambda:us-east-1:000000000000:function:g",
            "arn:aws:lambda:us-east-1:000000000000:function:f2",
            "arn:aws:events:us-east-1:000000000000:event-bus/default",
            "arn:aws:s3:::bucket",
        ] {
            assert_eq!(check(fine, Ending::Failure, &function), Ok(()), "{fine}");
        }
        for wrong in ["q", "arn:aws:sqs:us-east-1:000000000000:q.fifo", "arn:aws:ec2:::x"] {
            let text = format!("The destination ARN {wrong} is invalid.");
            assert_eq!(check(wrong, Ending::Failure, &function), Err(Refusal::invalid(text)));
        }
        let bucket = "arn:aws:s3:::bucket";
        assert_eq!(check(bucket, Ending::Success, &function), Err(invalid(bucket)));
        let text = "You can't specify the function as a destination for itself.";
        assert_eq!(
            check(&format!("{function}:1"), Ending::Success, &function),
            Err(Refusal::invalid(text))
        );
    }

    #[test]
    fn batches_that_were_given_up_are_told_to_queues_topics_and_buckets() {
        for fine in ["arn:aws:sqs:r:1:q", "arn:aws:sns:r:1:t", "arn:aws:s3:::bucket"] {
            assert_eq!(check_discarded(fine), Ok(()), "{fine}");
        }
        for wrong in ["arn:aws:sqs:r:1:q.fifo", "arn:aws:lambda:r:1:function:f", "q"] {
            assert_eq!(check_discarded(wrong), Err(invalid(wrong)), "{wrong}");
        }
    }
}
