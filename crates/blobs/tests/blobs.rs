//! Blobs, through their public face.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use haar_blobs::{BlobError, Blobs, Digest, Digest512};
use haar_clock::{Clock, IdSource};

#[tokio::test]
async fn what_was_put_is_found_by_its_digest_and_only_once() {
    let blobs = Blobs::ephemeral(IdSource::system()).unwrap();
    let digest = blobs.put(Bytes::from_static(b"fog")).await.unwrap();
    assert_eq!(blobs.put(Bytes::from_static(b"fog")).await.unwrap(), digest);
    assert_eq!(digest, Digest::of(b"fog"));
    assert_eq!(blobs.bytes(&digest).await.unwrap(), "fog");
    assert_eq!(blobs.list().unwrap(), [digest]);
    assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    assert!(format!("sha256:{}", "+f".repeat(32)).parse::<Digest>().is_err());
}

#[tokio::test]
async fn a_stream_that_breaks_off_or_is_too_long_leaves_nothing() {
    let blobs = Blobs::ephemeral(IdSource::system()).unwrap();
    let parts = |parts: Vec<Result<&'static str, &'static str>>| {
        stream::iter(parts.into_iter().map(|part| part.map(Bytes::from)))
    };
    let broken = blobs.put_stream(parts(vec![Ok("a"), Err("hung up")]), 10).await;
    assert!(matches!(broken, Err(BlobError::Sender(_))));
    let long = blobs.put_stream(parts(vec![Ok("abc"), Ok("def")]), 5).await;
    assert!(matches!(long, Err(BlobError::Sender(_))));
    assert!(blobs.list().unwrap().is_empty());
    let (digest, length) = blobs.put_stream(parts(vec![Ok("abc"), Ok("de")]), 5).await.unwrap();
    assert_eq!((digest, length), (Digest::of(b"abcde"), 5));
}

#[tokio::test]
async fn a_stream_that_nobody_waits_for_any_more_leaves_nothing() {
    let disk = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(disk.path(), IdSource::system()).unwrap();
    let files = || std::fs::read_dir(disk.path().join("incoming")).unwrap().count();
    let begun = pieces(&[Ok("abc")]).chain(stream::pending());
    let mut receiving = Box::pin(blobs.put_stream(begun, 10));
    assert!((&mut receiving).now_or_never().is_none());
    assert_eq!(files(), 1);
    drop(receiving);
    assert_eq!(files(), 0);
    blobs.put_stream(pieces(&[Ok("abc")]), 10).await.unwrap();
    assert_eq!((files(), blobs.list().unwrap().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_sweep_removes_what_nobody_holds_and_nobody_put_of_late() {
    let (clock, minute) = (Clock::system(), Duration::from_secs(60));
    let disk = tempfile::tempdir().unwrap();
    let open = || Blobs::open(disk.path(), IdSource::system()).unwrap();
    let blobs = open();
    let held = blobs.put(Bytes::from_static(b"held")).await.unwrap();
    let orphan = blobs.put(Bytes::from_static(b"orphan")).await.unwrap();
    let sweep = |grace| blobs.sweep(grace, || Some(BTreeSet::from([held]))).unwrap();
    clock.sleep(14 * minute).await;
    assert_eq!((sweep(15 * minute), sweep(15 * minute)), (0, 0)); // however often
    assert_eq!(blobs.put(Bytes::from_static(b"orphan")).await.unwrap(), orphan); // once more
    clock.sleep(4 * minute).await;
    assert_eq!(sweep(5 * minute), 0);
    assert!(blobs.touch(&orphan)); // by who is about to read it
    clock.sleep(5 * minute).await;
    assert_eq!(sweep(15 * minute), 0);
    assert_eq!(blobs.sweep(5 * minute, || None).unwrap(), 0); // nobody can tell what is held
    assert_eq!(sweep(5 * minute), 1);
    assert!(matches!(blobs.bytes(&orphan).await, Err(BlobError::Missing(_))));
    assert_eq!(blobs.bytes(&held).await.unwrap(), "held");

    let left = blobs.put(Bytes::from_static(b"left")).await.unwrap();
    let next = open(); // the next process knows of nobody who is about to hold it
    assert_eq!(next.sweep(15 * minute, || Some(BTreeSet::from([held]))).unwrap(), 1);
    assert!(!next.path(&left).exists());
    blobs.clear().unwrap();
    assert!(blobs.list().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_sweep_leaves_what_is_read_for_as_long_as_anybody_does() {
    let blobs = Blobs::ephemeral(IdSource::system()).unwrap();
    let digest = blobs.put(Bytes::from_static(b"read")).await.unwrap();
    Clock::system().sleep(Duration::from_secs(7200)).await;
    let sweep = || blobs.sweep(Duration::from_secs(300), || Some(BTreeSet::new())).unwrap();
    let (one, other) = (blobs.hold([digest, digest]), blobs.hold([digest]));
    assert_eq!(sweep(), 0);
    drop(one);
    assert_eq!(sweep(), 0);
    drop(other);
    assert_eq!(sweep(), 1);
}

fn pieces(
    pieces: &[Result<&'static str, &'static str>],
) -> impl futures_util::Stream<Item = Result<Bytes, &'static str>> + Send + 'static {
    let pieces = pieces.to_vec();
    stream::iter(pieces.into_iter().map(|piece| piece.map(Bytes::from)))
}

#[tokio::test]
async fn an_upload_grows_piece_by_piece_and_across_a_restart() {
    let disk = tempfile::tempdir().unwrap();
    let open = || Blobs::open(disk.path(), IdSource::system()).unwrap();
    let blobs = open();
    blobs.begin_upload("u").unwrap();
    assert_eq!(blobs.append_upload("u", None, pieces(&[Ok("ab"), Ok("c")]), 9).await.unwrap(), 3);
    let broken = blobs.append_upload("u", Some(3), pieces(&[Ok("d"), Err("hung up")]), 9).await;
    assert!(matches!(broken, Err(BlobError::Sender(_))));
    let wrong = blobs.append_upload("u", Some(9), pieces(&[Ok("x")]), 9).await;
    assert!(matches!(wrong, Err(BlobError::OutOfOrder(4))));
    drop(blobs);

    let blobs = open();
    assert_eq!(blobs.uploads().unwrap(), ["u"]);
    assert_eq!(blobs.upload_length("u").await.unwrap(), 4);
    assert_eq!(blobs.append_upload("u", Some(4), pieces(&[Ok("e")]), 9).await.unwrap(), 5);
    let long = blobs.append_upload("u", None, pieces(&[Ok("fghijk")]), 9).await;
    assert!(matches!(long, Err(BlobError::Sender(_))));
    let mismatch = blobs.finish_upload("u", &Digest::of(b"other")).await;
    assert!(matches!(mismatch, Err(BlobError::Mismatch(actual)) if actual == Digest::of(b"abcde")));
    assert_eq!(blobs.finish_upload("u", &Digest::of(b"abcde")).await.unwrap(), 5);
    assert_eq!(blobs.bytes(&Digest::of(b"abcde")).await.unwrap(), "abcde");
    let again = blobs.finish_upload("u", &Digest::of(b"abcde")).await;
    assert!(matches!(again, Err(BlobError::NoUpload(_))));
}

#[tokio::test]
async fn an_upload_that_waits_for_more_holds_no_file_open() {
    let disk = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(disk.path(), IdSource::system()).unwrap();
    let open_count = || {
        let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let names = files.filter_map(|file| std::fs::read_link(file.path()).ok());
        names.filter(|name| name.starts_with(disk.path())).count()
    };
    blobs.begin_upload("u").unwrap();
    for (piece, length) in [("abc", 3), ("def", 6)] {
        assert_eq!(blobs.append_upload("u", None, pieces(&[Ok(piece)]), 9).await.unwrap(), length);
        assert_eq!(open_count(), 0);
    }
    // during a turn it is open
    let hanging = stream::once(async { Ok::<_, &str>(Bytes::from("g")) });
    let hanging = hanging.chain(stream::pending());
    let counted = async {
        while open_count() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = blobs.append_upload("u", None, hanging, 9) => unreachable!("it hangs"),
        () = counted => {}
    }
    assert_eq!(open_count(), 0);
    let mismatch = blobs.finish_upload("u", &Digest::of(b"other")).await;
    assert!(matches!(mismatch, Err(BlobError::Mismatch(_))));
    assert_eq!(open_count(), 0);
    assert_eq!(blobs.finish_upload("u", &Digest::of(b"abcdef")).await.unwrap(), 6);
    assert_eq!(blobs.bytes(&Digest::of(b"abcdef")).await.unwrap(), "abcdef");
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let blobs = Blobs::ephemeral(IdSource::system()).unwrap();
    blobs.begin_upload("u").unwrap();
    blobs.append_upload("u", None, pieces(&[Ok("abc")]), 9).await.unwrap();
    blobs.abort_upload("u").unwrap();
    blobs.abort_upload("u").unwrap();
    assert!(blobs.uploads().unwrap().is_empty() && blobs.list().unwrap().is_empty());
    let gone = blobs.append_upload("u", None, pieces(&[Ok("d")]), 9).await;
    assert!(matches!(gone, Err(BlobError::NoUpload(_))));
}

#[tokio::test]
async fn an_ephemeral_store_goes_with_its_last_clone() {
    let blobs = Blobs::ephemeral(IdSource::system()).unwrap();
    let digest = blobs.put(Bytes::from_static(b"fog")).await.unwrap();
    let path = blobs.path(&digest);
    assert!(path.exists());
    drop(blobs);
    assert!(!path.exists());
}

/// Counts what it sees.
struct Counter(usize);

impl haar_blobs::Witness for Counter {
    fn see(&mut self, piece: &[u8]) {
        self.0 += piece.len();
    }
}

#[tokio::test]
async fn what_arrives_is_witnessed_and_kept_only_when_its_receiver_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = Blobs::open(folder.path(), IdSource::seeded(3)).unwrap();
    let pieces = || stream::iter((0..40).map(|_| Ok::<_, String>(Bytes::from(vec![7; 100_000]))));
    let (arrived, seen) = store.receive_for(pieces(), u64::MAX, Counter(0)).await.unwrap();
    assert_eq!((seen.0, arrived.length()), (4_000_000, 4_000_000));
    let digest = arrived.digest();
    assert_eq!(digest, Digest::of(&vec![7; 4_000_000]));
    drop(arrived);
    assert!(!store.path(&digest).exists());
    let (arrived, _) = store.receive_for(pieces(), u64::MAX, Counter(0)).await.unwrap();
    assert_eq!(arrived.keep().await.unwrap(), digest);
    assert_eq!(store.bytes(&digest).await.unwrap().len(), 4_000_000);
    let refused = store.receive_for(pieces(), 3_999_999, Counter(0)).await;
    assert!(matches!(refused, Err(BlobError::Sender(_))));
    assert_eq!(std::fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
}

#[tokio::test]
async fn an_upload_may_be_known_by_its_sha512_digest() {
    let blobs = Blobs::ephemeral(IdSource::system()).unwrap();
    blobs.begin_upload("u").unwrap();
    blobs.append_upload("u", None, pieces(&[Ok("abc"), Ok("def")]), 10).await.unwrap();
    let lied = blobs.finish_upload_by_sha512("u", &Digest512::of(b"abc")).await;
    assert!(matches!(lied, Err(BlobError::Mismatch(actual)) if actual == Digest::of(b"abcdef")));
    let said: Digest512 = Digest512::of(b"abcdef").to_string().parse().unwrap();
    let (digest, length) = blobs.finish_upload_by_sha512("u", &said).await.unwrap();
    assert_eq!((digest, length), (Digest::of(b"abcdef"), 6));
    assert_eq!(blobs.bytes(&digest).await.unwrap(), "abcdef");
    assert!(blobs.uploads().unwrap().is_empty());
    assert!(Digest::of(b"abcdef").to_string().parse::<Digest512>().is_err());
}

#[tokio::test]
async fn a_blob_is_read_in_part_and_to_its_end_though_it_is_removed_meanwhile() {
    let blobs = Blobs::ephemeral(IdSource::system()).unwrap();
    let bytes: Bytes =
        (0..9_000_000_u32).map(|at| at.to_le_bytes()[0] ^ (at >> 12) as u8).collect();
    let digest = blobs.put(bytes.clone()).await.unwrap();
    let open = || async { blobs.open_blob(&digest).await.unwrap() };
    let some = [(0, 9_000_000), (0, 0), (1, 1), (524_287, 2), (999_999, 2_000_001), (1, 262_145)];
    for (from, length) in some {
        assert_eq!(open().await.length(), 9_000_000);
        let expected = &bytes[from as usize..(from + length) as usize];
        let read: Vec<Bytes> = open().await.read(from, length).try_collect().await.unwrap();
        assert!(read.concat() == expected, "{from} {length}");
        let sent: Vec<Bytes> = open().await.send(from, length).try_collect().await.unwrap();
        assert!(sent.concat() == expected, "{from} {length}");
    }
    let reading = open().await.read(0, 9_000_001).boxed();
    let sending = open().await.send(0, 9_000_001).boxed();
    blobs.remove(&digest).unwrap();
    for mut pieces in [reading, sending] {
        let mut read = Vec::new();
        let end = loop {
            match pieces.next().await.unwrap() {
                Ok(piece) => read.extend_from_slice(&piece),
                Err(error) => break error.kind(),
            }
        };
        // what is asked for beyond the end is an error, not silence
        assert_eq!(end, std::io::ErrorKind::UnexpectedEof);
        assert!(bytes.starts_with(&read) && read.len() >= 8_000_000);
    }
    assert!(matches!(blobs.open_blob(&digest).await, Err(BlobError::Missing(_))));
}
