//! A client that costs as little as one can: it counts the bytes that come, and looks at none.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use crate::client::Ask;

/// Bytes that are taken from the socket at once: few enough to stay near the processor.
const PIECE: usize = 128 << 10;

/// Sends one request over a connection of its own, and counts the bytes of its answer's body.
pub(crate) async fn count(authority: &str, ask: &Ask) -> Result<usize, String> {
    let (authority, ask) = (authority.to_owned(), ask.clone());
    let counted = tokio::task::spawn_blocking(move || counted(&authority, &ask)).await;
    counted.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

fn counted(authority: &str, ask: &Ask) -> std::io::Result<usize> {
    let mut stream = TcpStream::connect(authority)?;
    let mut head = format!("{} {} HTTP/1.1\r\nhost: {authority}\r\n", ask.method, ask.path);
    for (name, value) in &ask.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("content-length: 0\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = BufReader::new(stream);
    let mut left = length(&mut answer)?;
    let (length, mut piece) = (left, vec![0; PIECE]);
    while left > 0 {
        let most = left.min(PIECE);
        match answer.read(&mut piece[..most])? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => left -= count,
        }
    }
    Ok(length)
}

/// Reads the head of a good answer, and tells the length of its body.
fn length(answer: &mut BufReader<TcpStream>) -> std::io::Result<usize> {
    let (mut line, mut length, mut is_good) = (String::new(), None, None);
    loop {
        line.clear();
        answer.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        is_good.get_or_insert_with(|| line.contains(" 200 ") || line.contains(" 206 "));
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
    }
    let length = length.filter(|_| is_good == Some(true));
    length.ok_or_else(|| std::io::Error::other("no bytes of a known length"))
}
