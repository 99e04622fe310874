//! A large object in parts, beside the disk alone.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::Method;
use tokio::process::Command;

use crate::Bench;
use crate::calls::s3;
use crate::client::Connection;
use crate::cloud::{Cloud, data_dir};
use crate::counting::count;
use crate::images::run;

/// Bytes of a part.
const PART: usize = 16 << 20;
/// Connections that send parts.
const LANES: usize = 4;
const OBJECT: &str = "/bench-large/object";

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let parts = bench.rounds(64).max(16);
    let mib = parts * (PART >> 20);
    let (_folder, data) = data_dir(&bench.haar)?;
    let cloud = Cloud::start(&bench.haar, Some(&data), &[]).await?;
    let mut connection = Connection::open(&cloud.authority).await?;
    connection.must(&s3(Method::PUT, "/bench-large", "")).await?;
    put(&cloud.authority, 4).await?; // the store is made, the pages are warm
    let before = cloud.resident_mib().0;
    let peak = Arc::new(AtomicU64::new(0));
    let (ours, disk) = {
        let watch = watching(&cloud, &peak);
        let measured = async {
            let ours = put(&cloud.authority, parts).await?;
            Ok::<_, String>((ours, write(&data, parts).await?))
        };
        tokio::select! { measured = measured => measured?, () = watch => unreachable!() }
    };
    let peak = peak.load(Ordering::Relaxed);
    row(bench, &format!("S3 PUT of {mib} MiB, multipart"), mib, ours, disk, "dd, fsync");
    bench.report.row(
        &format!("the server's memory while it takes {mib} MiB"),
        format!("{peak} MiB at most"),
        format!("{before:.0} MiB before"),
        String::new(),
        "flat",
    );
    let mut reads = Vec::new();
    for _ in 0..2 {
        reads.push(get(&cloud.authority, mib << 20).await?);
    }
    let mut ranges = Vec::new();
    for _ in 0..2 {
        ranges.push(get_parts(&cloud.authority, parts).await?);
    }
    let file = data.with_extension("dd");
    let mut cat = Command::new("sh");
    let line =
        format!("cat {0} > /dev/null; dd if={0} of=/dev/null bs=1M 2>/dev/null", file.display());
    let warm = run(cat.args(["-c", &line])).await?;
    let mut dd = Command::new("dd");
    let cached = run(dd.arg(format!("if={}", file.display())).args(["of=/dev/null", "bs=1M"]));
    let cached = cached.await?.min(warm);
    let ours = ranges.into_iter().min().unwrap_or_default();
    let what = format!("S3 GET of {mib} MiB, multipart");
    row(bench, &what, mib, ours, cached, "a read of cached pages");
    let ours = reads.into_iter().min().unwrap_or_default();
    let what = format!("S3 GET of {mib} MiB");
    row(bench, &what, mib, ours, cached, "a read of cached pages");
    let mut sent = Vec::new();
    for _ in 0..2 {
        sent.push(get(&sender(&file)?, mib << 20).await?);
    }
    let sent = sent.into_iter().min().unwrap_or_default();
    row(bench, &what, mib, ours, sent, "the file over a bare socket, same client");
    let _ = std::fs::remove_file(file);
    cloud.stop().await
}

fn row(bench: &mut Bench, what: &str, mib: usize, ours: Duration, peer: Duration, name: &str) {
    let rate = |taken: Duration| mib as f64 / taken.as_secs_f64();
    bench.report.row(
        what,
        format!("{:.0} MiB/s", rate(ours)),
        format!("{:.0} MiB/s: {name}", rate(peer)),
        format!("{:.0} %", 100.0 * rate(ours) / rate(peer)),
        "≥ 70 %",
    );
}

/// Notes the most memory that the server has, until it is dropped.
async fn watching(cloud: &Cloud, peak: &AtomicU64) {
    loop {
        peak.fetch_max(cloud.resident_mib().0 as u64, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Puts an object of so many parts.
async fn put(authority: &str, parts: usize) -> Result<Duration, String> {
    let content = Bytes::from((0..PART).map(|at| (at * 7 / 3) as u8).collect::<Vec<_>>());
    let mut connection = Connection::open(authority).await?;
    let begun = Instant::now();
    let created = connection.must(&s3(Method::POST, &format!("{OBJECT}?uploads"), "")).await?;
    let created = String::from_utf8_lossy(&created).into_owned();
    let id = created.split("<UploadId>").nth(1).and_then(|rest| rest.split('<').next());
    let id = id.ok_or("no upload id")?.to_owned();
    let lanes = (0..LANES).map(|lane| {
        let (id, content, authority) = (id.clone(), content.clone(), authority.to_owned());
        tokio::spawn(async move {
            let mut connection = Connection::open(&authority).await?;
            let mut tags = Vec::new();
            for number in (lane..parts).step_by(LANES) {
                let path = format!("{OBJECT}?partNumber={}&uploadId={id}", number + 1);
                let put = s3(Method::PUT, &path, content.clone());
                tags.push((number + 1, connection.tag_of(&put).await?));
            }
            Ok::<_, String>(tags)
        })
    });
    let tags = try_join_all(lanes).await.map_err(|error| error.to_string())?;
    let mut tags = tags.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    tags.sort_unstable();
    let list: String = tags
        .iter()
        .map(|(number, tag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")
        })
        .collect();
    let body = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
    let complete = s3(Method::POST, &format!("{OBJECT}?uploadId={id}"), body);
    let answer = connection.must(&complete).await?;
    let fine = String::from_utf8_lossy(&answer).contains("CompleteMultipartUploadResult");
    fine.then(|| begun.elapsed()).ok_or_else(|| String::from_utf8_lossy(&answer).into_owned())
}

/// Reads the object to its end.
async fn get(authority: &str, bytes: usize) -> Result<Duration, String> {
    let begun = Instant::now();
    let count = count(authority, &s3(Method::GET, OBJECT, "")).await?;
    if count != bytes {
        return Err(format!("read {count} bytes of {bytes}"));
    }
    Ok(begun.elapsed())
}

/// Reads the object in ranges, some at a time, as clients do that download in parts.
async fn get_parts(authority: &str, parts: usize) -> Result<Duration, String> {
    let begun = Instant::now();
    let lanes = (0..LANES).map(async |lane| {
        for number in (lane..parts).step_by(LANES) {
            let (first, last) = (number * PART, (number + 1) * PART - 1);
            let get = s3(Method::GET, OBJECT, "").header("range", &format!("bytes={first}-{last}"));
            let count = count(authority, &get).await?;
            (count == PART).then_some(()).ok_or_else(|| format!("a part of {count} bytes"))?;
        }
        Ok::<_, String>(())
    });
    try_join_all(lanes).await?;
    Ok(begun.elapsed())
}

/// Answers a request with a file, as fast as the system can send it.
fn sender(file: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| error.to_string();
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
    let authority = listener.local_addr().map_err(failed)?.to_string();
    let file = file.to_owned();
    let serve = move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let mut file = File::open(&file)?;
        let length = file.metadata()?.len();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")?;
        std::io::copy(&mut file, &mut stream)?; // by sendfile
        Ok(())
    };
    std::thread::spawn(serve);
    Ok(authority)
}

/// Writes as many bytes into a file, to the disk.
async fn write(data: &Path, parts: usize) -> Result<Duration, String> {
    let mut dd = Command::new("dd");
    dd.arg("if=/dev/zero").arg(format!("of={}", data.with_extension("dd").display()));
    dd.arg(format!("bs={PART}")).arg(format!("count={parts}")).arg("conv=fsync");
    run(&mut dd).await
}
