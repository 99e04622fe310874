//! What happens because something happened: how soon, and how much of it.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::Bench;
use crate::calls::{
    self, answer, backlog, function_arn, make_queue, make_table, queue_arn, rest, s3, sqs, text_of,
};
use crate::client::{Ask, Connection, at_once};
use crate::cloud::{Cloud, data_dir};
use crate::functions::Maker;
use crate::report::{Samples, milliseconds, ratio};

/// Writes a row for each object that it is told of.
const WRITER: &str = include_str!("../../inputs/writer.py");
const BUCKET: &str = "/bench-pipeline";
const TABLE: &str = "bench-pipeline";
/// Longest wait for what must come.
const COMES_WITHIN: Duration = Duration::from_secs(120);

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let (_folder, data) = data_dir(&bench.haar)?;
    let cloud = Cloud::start(&bench.haar, Some(&data), &[]).await?;
    let mut maker = Maker::new(&cloud.authority).await?;
    let function = maker.python(WRITER, &[("TABLE", TABLE)]).await?;
    thumbnails(bench, &mut maker.connection, &function).await?;
    queue(bench, &cloud, &mut maker).await?;
    schedules(bench, &cloud, &mut maker.connection).await?;
    cloud.stop().await
}

/// An object's PUT until its row is in the table, beside a warm invocation that writes such a row.
async fn thumbnails(
    bench: &mut Bench,
    connection: &mut Connection,
    function: &str,
) -> Result<(), String> {
    make_table(connection, TABLE).await?;
    connection.must(&s3(Method::PUT, BUCKET, "")).await?;
    let permission = json!({ "StatementId": "s3", "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com" });
    let path = format!("/2015-03-31/functions/{function}/policy");
    connection.must(&rest("lambda", &path, &permission)).await?;
    let configuration = format!(
        "<NotificationConfiguration><CloudFunctionConfiguration><CloudFunction>{}</CloudFunction>\
         <Event>s3:ObjectCreated:*</Event></CloudFunctionConfiguration></NotificationConfiguration>",
        function_arn(function)
    );
    let path = format!("{BUCKET}?notification");
    connection.must(&s3(Method::PUT, &path, configuration)).await?;
    let (mut through, mut called) = (Samples::default(), Samples::default());
    for number in 0..bench.rounds(300) + 5 {
        let key = format!("object-{number}");
        let begun = Instant::now();
        connection.must(&s3(Method::PUT, &format!("{BUCKET}/{key}"), vec![b'x'; 1024])).await?;
        arrives(connection, &calls::get_item(TABLE, &key)).await?;
        let taken = begun.elapsed();
        let event = json!({ "Records": [{ "s3": { "object": { "key": format!("{key}-b") } } }] });
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let begun = Instant::now();
        connection.must(&rest("lambda", &path, &event)).await?;
        if number >= 5 {
            through.add(taken);
            called.add(begun.elapsed());
        }
    }
    bench.report.row(
        "S3 PUT, function called, row in DynamoDB, warm: p50",
        format!("{} (p99 {})", milliseconds(through.p50()), milliseconds(through.at(99))),
        format!("{}: the function, invoked", milliseconds(called.p50())),
        ratio(through.p50(), called.p50()),
        "≤ 3 ×",
    );
    Ok(())
}

/// Asks until there is an item.
async fn arrives(connection: &mut Connection, ask: &Ask) -> Result<(), String> {
    let begun = Instant::now();
    while begun.elapsed() < COMES_WITHIN {
        if connection.must(ask).await?.len() > 2 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    Err("the row never came".to_owned())
}

/// Messages that wait in a queue, to a function in batches of ten.
async fn queue(bench: &mut Bench, cloud: &Cloud, maker: &mut Maker) -> Result<(), String> {
    let count = bench.rounds(10_000);
    let function = maker.python("def handler(event, context):\n    pass\n", &[]).await?;
    let attributes = json!({ "VisibilityTimeout": "60" });
    let url = make_queue(&mut maker.connection, "bench-work", &attributes).await?;
    for first in (0..count).step_by(10) {
        let entries: Vec<Value> = (first..first + 10)
            .map(|id| json!({ "Id": id.to_string(), "MessageBody": format!("message {id}") }))
            .collect();
        let document = json!({ "QueueUrl": url, "Entries": entries });
        maker.connection.must(&sqs("SendMessageBatch", &document)).await?;
    }
    let mapping = json!({
        "FunctionName": function, "EventSourceArn": queue_arn("bench-work"), "BatchSize": 10,
    });
    let create = rest("lambda", "/2015-03-31/event-source-mappings", &mapping);
    let made = answer(&mut maker.connection, &create).await?;
    let begun = Instant::now();
    while backlog(&mut maker.connection, &url).await? > 0 {
        if begun.elapsed() > COMES_WITHIN {
            return Err("the queue is not empty in time".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    let path = format!("/2015-03-31/event-source-mappings/{}", text_of(&made, "UUID")?);
    maker.connection.must(&Ask::new(Method::DELETE, path, "").at_service("lambda")).await?;
    let echo = crate::echo::Echo::start().await?;
    let ask = Ask::new(Method::POST, "/", "x");
    let bare = at_once(&echo.authority, 16, Duration::from_secs(1), |_| ask.clone()).await?;
    bench.report.row(
        &format!("SQS to Lambda, {count} messages, batches of 10"),
        format!("{rate:.0} messages/s"),
        format!("{bare:.0}/s echo; server {:.0} MiB", cloud.resident_mib().0),
        format!("{:.2} ×", rate / bare),
        "≥ 1,000/s",
    );
    Ok(())
}

/// One-time schedules of one instant, each a message to a queue.
async fn schedules(
    bench: &mut Bench,
    cloud: &Cloud,
    connection: &mut Connection,
) -> Result<(), String> {
    let count = bench.rounds(10_000);
    let url = make_queue(connection, "bench-due", &json!({})).await?;
    let begun = Instant::now();
    // Far enough away that all are made before; the Scheduler knows whole seconds.
    let lead = Duration::from_secs(if bench.quick { 10 } else { 40 });
    let due = std::time::SystemTime::now() + lead;
    let due = due.duration_since(std::time::UNIX_EPOCH).map_err(|e| e.to_string())?.as_secs();
    let date = tokio::process::Command::new("date")
        .args(["-u", "-d", &format!("@{due}"), "+%Y-%m-%dT%H:%M:%S"])
        .output()
        .await
        .map_err(|error| error.to_string())?;
    let at = String::from_utf8_lossy(&date.stdout).trim().to_owned();
    let makers = (0..16).map(|lane| {
        let (authority, at) = (cloud.authority.clone(), at.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(&authority).await?;
            for number in (lane..count).step_by(16) {
                let document = json!({
                    "ScheduleExpression": format!("at({at})"),
                    "FlexibleTimeWindow": { "Mode": "OFF" },
                    "Target": {
                        "Arn": queue_arn("bench-due"),
                        "RoleArn": "arn:aws:iam::000000000000:role/bench",
                        "Input": format!("schedule {number}"),
                    },
                });
                let ask = rest("scheduler", &format!("/schedules/due-{number}"), &document);
                connection.must(&ask).await?;
            }
            Ok::<_, String>(())
        })
    });
    let made = futures_util::future::try_join_all(makers).await.map_err(|e| e.to_string())?;
    made.into_iter().collect::<Result<Vec<()>, String>>()?;
    let making = begun.elapsed();
    if making > lead {
        return Err(format!("{count} schedules took {making:?} to make"));
    }
    let wait = due.saturating_sub(unix_millis() / 1000) + 1;
    tokio::time::sleep(Duration::from_secs(wait)).await;
    *connection = Connection::open(&cloud.authority).await?; // what was silent so long is closed
    let begun = Instant::now();
    while backlog(connection, &url).await? < count as u64 && begun.elapsed() < COMES_WITHIN {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (unique, total, last) = received(connection, &url).await?;
    bench.report.row(
        &format!("{count} schedules due in the same second"),
        format!("the last {:.2} s after it", (last.saturating_sub(due * 1000)) as f64 / 1000.0),
        format!("{unique} fired, {} twice", total - unique),
        String::new(),
        "each once, ≤ 2 s",
    );
    Ok(())
}

/// Empties a queue: different bodies, all of them, and when the last one was sent.
async fn received(connection: &mut Connection, url: &str) -> Result<(usize, usize, u64), String> {
    let (mut bodies, mut last) = (Vec::new(), 0);
    let document = json!({
        "QueueUrl": url, "MaxNumberOfMessages": 10,
        "MessageSystemAttributeNames": ["SentTimestamp"], "VisibilityTimeout": 600,
    });
    loop {
        let found = answer(connection, &sqs("ReceiveMessage", &document)).await?;
        let messages = found["Messages"].as_array().cloned().unwrap_or_default();
        if messages.is_empty() {
            break;
        }
        for message in messages {
            bodies.push(message["Body"].as_str().unwrap_or_default().to_owned());
            let sent = message["Attributes"]["SentTimestamp"].as_str();
            last = last.max(sent.and_then(|sent| sent.parse().ok()).unwrap_or_default());
        }
    }
    let total = bodies.len();
    bodies.sort_unstable();
    bodies.dedup();
    Ok((bodies.len(), total, last))
}

fn unix_millis() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_millis() as u64)
}
