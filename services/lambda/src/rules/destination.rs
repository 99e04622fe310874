//! Where asynchronous invocations may end.

use haar_types::Arn;

use crate::Refusal;

/// Refuses what no result can be sent to.
///
/// # Errors
/// When it is no queue, topic, function, bus or bucket, or the function itself.
pub fn check(destination: &str, function: &Arn) -> Result<(), Refusal> {
    let invalid = || Refusal::invalid(format!("The destination ARN {destination} is invalid."));
    let arn: Arn = destination.parse().map_err(|_| invalid())?;
    let resource = arn.resource();
    let fits = match arn.service() {
        "sqs" | "sns" => !resource.ends_with(".fifo"),
        "lambda" => resource.starts_with("function:"),
        "events" => resource.starts_with("event-bus/"),
        "s3" => true,
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
            assert_eq!(check(fine, &function), Ok(()), "{fine}");
        }
        for wrong in ["q", "arn:aws:sqs:us-east-1:000000000000:q.fifo", "arn:aws:ec2:::x"] {
            let text = format!("The destination ARN {wrong} is invalid.");
            assert_eq!(check(wrong, &function), Err(Refusal::invalid(text)));
        }
        let text = "You can't specify the function as a destination for itself.";
        assert_eq!(check(&format!("{function}:1"), &function), Err(Refusal::invalid(text)));
    }
}
