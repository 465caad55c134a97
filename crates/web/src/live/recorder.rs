//! A history: what `GET /live` tells, as lines of JSON that can be kept, sent and opened again.
//!
//! ```text
//!   {"history":1,"mall":"0.1.0",…}                          what it is of
//!   {"moment":0,"at":1700000000000,"event":"snapshot",…}    how it begins
//!   {"moment":1,"at":1700000000005,"event":"seen",…}        what changes then; frames of one moment belong together
//! ```
//!
//! # Invariants
//! * Nothing is kept but the picture, whose size has a bound.
//! * Times never go back, and moments are counted from 0.
//! * A history has a bound too. What happens beyond it is left out, and what it comes to in the end is told as a snapshot.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value};

use super::picture::{Frame, Picture};
use super::shown::Mall;

/// The version of the format.
pub const FORMAT: u32 = 1;
/// About how many bytes a history has at most, besides its last moment.
const MOST: usize = 24 << 20;

/// Writes a history.
#[derive(Debug)]
pub struct Recorder<W> {
    picture: Picture,
    out: W,
    moment: u64,
    at: i64,
    /// How many bytes may still be written.
    room: usize,
    begun: bool,
}

impl<W: Write> Recorder<W> {
    /// Begins the history of a mall. `about` stands in the header, behind the versions of the format and of the mall.
    ///
    /// # Errors
    /// It can't be written.
    pub fn begin(mut out: W, mall: Mall, about: Map<String, Value>, now: i64) -> io::Result<Self> {
        let mut header = Map::new();
        header.insert("history".to_owned(), FORMAT.into());
        header.insert("mall".to_owned(), env!("CARGO_PKG_VERSION").into());
        header.extend(about);
        writeln!(out, "{}", Value::Object(header))?;
        Ok(Self {
            picture: Picture::of(mall),
            out,
            moment: 0,
            at: now,
            room: MOST,
            begun: false,
        })
    }

    /// The picture, to be told what happens.
    pub fn picture(&mut self) -> &mut Picture {
        &mut self.picture
    }

    /// The time of the last moment.
    pub fn now(&self) -> i64 {
        self.at
    }

    /// Ends a moment: what the picture was told since the last one happened then. The first one is told as a snapshot.
    ///
    /// # Errors
    /// It can't be written.
    pub fn moment(&mut self, at: i64) -> io::Result<()> {
        self.pass(at);
        let some = self.tell()?;
        self.moment += u64::from(some);
        Ok(())
    }

    /// Writes what the picture was told. Whether there was anything.
    fn tell(&mut self) -> io::Result<bool> {
        let mut frames = self.picture.flush(self.at);
        // How much happens in a second of virtual time says nothing.
        frames.retain(|frame| frame.kind != "rates");
        if !self.begun {
            self.begun = true;
            frames = vec![self.picture.snapshot(self.at, false)];
        }
        for frame in &frames {
            self.write(frame.kind, &frame.data)?;
        }
        Ok(!frames.is_empty())
    }

    /// Lets the time pass up to then.
    pub fn pass(&mut self, at: i64) {
        self.at = self.at.max(at);
    }

    /// Writes a frame that the picture knows nothing of into the moment that has not ended.
    ///
    /// # Errors
    /// It can't be written.
    pub fn note(&mut self, event: &str, data: &impl Serialize) -> io::Result<()> {
        let data = serde_json::to_string(data)?;
        self.write(event, &data)
    }

    /// Ends a moment in which only something was noted.
    pub fn end_note(&mut self) {
        self.moment += 1;
    }

    /// Ends the history with what is left to be told, a note, and, if its bound was reached, with everything as it is now.
    ///
    /// # Errors
    /// It can't be written.
    pub fn end(mut self, event: &str, data: &impl Serialize) -> io::Result<W> {
        self.tell()?;
        if self.room == 0 {
            self.room = usize::MAX;
            let Frame { kind, data } = self.picture.snapshot(self.at, true);
            self.write(kind, &data)?;
        }
        self.room = usize::MAX;
        self.note(event, data)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write(&mut self, event: &str, data: &str) -> io::Result<()> {
        let (moment, at) = (self.moment, self.at);
        let line = format!("{{\"moment\":{moment},\"at\":{at},\"event\":\"{event}\",\"data\":{data}}}\n");
        if line.len() > self.room {
            // Once something is left out, nothing smaller may slip in behind it.
            self.room = 0;
            return Ok(());
        }
        self.room -= line.len();
        self.out.write_all(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Acting, Away, Partition};
    use super::*;

    fn recorder() -> Recorder<Vec<u8>> {
        let mall = Mall {
            topic: "t".to_owned(),
            group: "g".to_owned(),
            log: "embedded",
            database: "sqlite",
            supervised: false,
            commands: Acting::ReadOnly,
        };
        let about = Map::from_iter([("source".to_owned(), "test".into())]);
        Recorder::begin(Vec::new(), mall, about, 1000).expect("memory")
    }

    fn lines(written: Vec<u8>) -> Vec<Value> {
        let text = String::from_utf8(written).expect("text");
        text.lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }

    fn away(why: &str) -> Vec<Away> {
        let why = why.to_owned();
        vec![Away { what: "log", why }]
    }

    #[test]
    fn a_history_begins_with_what_it_is_and_goes_on_with_what_changes() {
        let mut recorder = recorder();
        recorder.moment(1000).expect("memory");
        recorder.picture().partitions(1010, vec![Partition::new(0, 0, 1, None)]);
        recorder.picture().away(away("gone"));
        recorder.moment(1010).expect("memory");
        recorder.moment(1020).expect("nothing has changed");
        recorder.picture().away(Vec::new());
        recorder.moment(900).expect("a clock that goes back");
        let all = lines(recorder.end("outcome", &"done").expect("memory"));
        assert_eq!((&all[0]["history"], &all[0]["source"]), (&1.into(), &"test".into()));
        let told: Vec<_> = all[1..]
            .iter()
            .map(|line| (line["moment"].as_u64(), line["at"].as_i64(), line["event"].as_str()))
            .collect();
        let line = |moment, at, event| (Some(moment), Some(at), Some(event));
        assert_eq!(
            told,
            [
                line(0, 1000, "snapshot"),
                line(1, 1010, "away"),
                line(1, 1010, "partitions"),
                line(2, 1020, "away"),
                line(3, 1020, "outcome"),
            ]
        );
    }

    #[test]
    fn beyond_its_bound_a_history_tells_how_it_ends() {
        let mut recorder = recorder();
        recorder.moment(1000).expect("memory");
        for number in 0..40 {
            recorder
                .picture()
                .away(away(&format!("{number}{}", "x".repeat(MOST / 30))));
            recorder.moment(1000 + number).expect("memory");
        }
        recorder.picture().away(away("the last"));
        let written = recorder.end("outcome", &"done").expect("memory");
        assert!(written.len() < MOST + 10_000, "{}", written.len());
        let all = lines(written);
        let [.., last, outcome] = &all[..] else {
            panic!("{}", all.len())
        };
        assert_eq!(
            (&last["event"], &outcome["event"]),
            (&"snapshot".into(), &"outcome".into())
        );
        assert_eq!(last["data"]["away"][0]["why"], "the last");
        assert_eq!(last["data"]["resync"], true);
    }
}
