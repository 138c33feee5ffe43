//! The inputs of a run: which there are, who reads them, and how the work on them is shared.
//!
//! Every process comes to the same answers, as all see the same files. Nothing is read here but what merging by time needs, and which files are in archives.

use crate::cluster::{self, Place};
use crate::plan::{Plan, hex};
use crate::run::Control;
use crate::topology::Sharing;
use operators::Error;
use operators::container::{self, Owners};
use operators::packet::BlockPool;
use operators::sources::{
    self, Bounds, CaptureInput, CapturePath, Faulty, Glance, Input, InputName, Merge, Slicing,
    Streams,
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Shortest and longest slice of a merged input, ns: a burst behind quiet first records must not make one epoch of everything.
const QUANTUM: (i64, i64) = (1_000, 1_000_000_000);

/// What reading takes of a worker, ns a packet of a plain file, and what its flow takes, alone and for each group of features: as
/// `benches` finds it, roughly, for who reads to have less else to do.
const READ: f64 = 75.0;
const FLOW: (f64, f64) = (130.0, 60.0);

/// How many times as long reading takes where it has to be unpacked first. What it is in truth is seen when it is open.
fn unpacking(capture: &CapturePath) -> f64 {
    let name = capture.name();
    let path = match capture.is_in_stream() {
        true => &capture.file,
        false => Path::new(&name),
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => 10.0,
        Some("xz") => 20.0,
        Some("zst") => 2.5,
        Some("lz4") => 2.0,
        _ => 1.0,
    }
}

/// What a packet takes behind the exchange.
fn flow_cost(plan: &Plan) -> f64 {
    let groups = plan.features().map_or(0, |one| one.plan.groups().len());
    FLOW.0 + FLOW.1 * groups as f64
}

/// The inputs of a run, in the order that fixes their ordinals.
#[derive(Clone, Debug)]
pub struct Inputs {
    paths: Vec<(CapturePath, Bounds)>,
    /// What each is called.
    names: Vec<InputName>,
    /// Why nothing is read of it: it lacks the name that its source asks for.
    nameless: Vec<Option<String>>,
    /// Bytes of each when the run began, as far as they are known. Looked at once: a file may grow.
    sizes: Vec<u64>,
    first_times: Vec<i64>,
    /// How they are cut into epochs.
    pub slicing: Slicing,
    is_merged: bool,
    /// Whether one that cannot be read whole is an error.
    pub strict: bool,
}

impl Inputs {
    /// What the sources name, with what is in archives; an input is read only where it has to be merged.
    ///
    /// # Errors
    /// A source names nothing.
    pub fn of(plan: &Plan) -> Result<Self, Error> {
        let mut inputs = Self::list(plan)?;
        if inputs.is_merged {
            inputs.merge(plan.run.epoch);
        }
        Ok(inputs)
    }

    fn list(plan: &Plan) -> Result<Self, Error> {
        let (mut paths, mut names, mut nameless) = (Vec::new(), Vec::new(), Vec::new());
        let (mut is_merged, mut strict) = (false, false);
        for (source, options) in plan.sources() {
            let listed = sources::found(options, Path::new("")).map_err(|errors| {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                Error::new(errors.join("; "))
                    .help("`jayflow check --deep` shows each place in the spec")
            })?;
            if options.follow && (listed.len() > 1 || plan.sources().count() > 1) {
                return Err(Error::new(
                    "`follow` reads one file on as it grows, and there are several inputs",
                )
                .help("name one file, or leave `follow` out"));
            }
            let has_archives = !plan.is_rows && !options.follow;
            for input in listed {
                let sensor = options.sensor.as_ref().map(|sensor| sensor.of(&input));
                let (sensor, why) = match sensor {
                    Some(Err(why)) => (None, Some(why)),
                    told => (told.and_then(Result::ok), None),
                };
                let captures = match has_archives {
                    true => sources::in_archives(vec![input.path]),
                    false => vec![CapturePath::from(input.path)],
                };
                for capture in captures {
                    names.push(InputName {
                        file: capture.name(),
                        source: source.to_owned(),
                        sensor: sensor.clone(),
                    });
                    nameless.push(why.clone());
                    paths.push((capture, Bounds::from(options)));
                }
            }
            is_merged |= options.merge == Merge::All;
            strict |= options.errors == Faulty::Fail;
        }
        Ok(Self {
            sizes: paths.iter().map(|(capture, _)| capture.bytes()).collect(),
            first_times: vec![0; paths.len()],
            slicing: Slicing::Packets(plan.run.epoch as u64),
            paths,
            names,
            nameless,
            is_merged,
            strict,
        })
    }

    /// Slices the input by time. Every process comes to the same slices, as all see the same files.
    fn merge(&mut self, epoch: usize) {
        let streams = Streams::default();
        let known: Vec<Option<Glance>> = self
            .paths
            .iter()
            .map(|(capture, _)| sources::glance(capture, &streams))
            .collect();
        let start = known.iter().flatten().map(|glance| glance.first).min();
        let start = start.unwrap_or(0);
        let first = |glance: &Option<Glance>| glance.map_or(start, |glance| glance.first);
        self.first_times = known.iter().map(first).collect();
        // the time that holds an epoch of packets in the busiest input
        let times = known.iter().flatten().map(|glance| {
            let epoch = u128::from(epoch as u64) * u128::from(glance.span.unsigned_abs());
            i64::try_from(epoch / u128::from(glance.records.max(1))).unwrap_or(i64::MAX)
        });
        let quantum = times.filter(|time| *time > 0).min().unwrap_or(0);
        self.slicing = Slicing::Time {
            start,
            quantum: quantum.clamp(QUANTUM.0, QUANTUM.1),
        };
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.paths.len()
    }

    /// Which they were: name and bytes of each file, of streams the name alone, of archives also how many inputs were in it; with `hashed` the
    /// SHA-256 of what is there now.
    ///
    /// # Errors
    /// One cannot be read again.
    pub fn facts(&self, hashed: bool) -> Result<Value, Error> {
        let all: Vec<(&(CapturePath, Bounds), &u64)> = self.paths.iter().zip(&self.sizes).collect();
        // the members of an archive are one
        let of_one = all.chunk_by(|((one, _), _), ((other, _), _)| {
            one.member.is_some() && other.member.is_some() && one.file == other.file
        });
        let facts = of_one.filter_map(|inputs| {
            let ((capture, _), bytes) = inputs.first()?;
            let path = &capture.file;
            let mut fact = Map::new();
            fact.insert("name".to_owned(), path.display().to_string().into());
            let about = std::fs::metadata(path)
                .ok()
                .filter(std::fs::Metadata::is_file);
            if let Some(about) = about {
                let bytes = match capture.member {
                    Some(_) => about.len(),
                    None => **bytes,
                };
                fact.insert("bytes".to_owned(), bytes.into());
                if hashed {
                    let sum = digest(path).map(|sum| fact.insert("sha256".to_owned(), sum.into()));
                    if let Err(error) = sum {
                        return Some(Err(error));
                    }
                }
            }
            if capture.member.is_some() {
                fact.insert("members".to_owned(), inputs.len().into());
            }
            Some(Ok(Value::Object(fact)))
        });
        facts.collect()
    }

    /// Whether one of them may have to be waited for: a pipe, a device, or a file that grows.
    pub fn is_live(&self) -> bool {
        let waits = |(CapturePath { file, .. }, bounds): &(CapturePath, Bounds)| {
            let is_pipe = || std::fs::metadata(file).is_ok_and(|found| !found.is_file());
            bounds.follow.is_some() || file == Path::new("-") || is_pipe()
        };
        self.paths.iter().any(waits)
    }

    /// Whether one of them has no end of its own: a file that grows, without patience.
    pub fn is_endless(&self) -> bool {
        let endless = |(_, bounds): &(CapturePath, Bounds)| {
            let follow = bounds.follow.as_ref();
            follow.is_some_and(|follow| follow.patience.is_none())
        };
        self.paths.iter().any(endless)
    }

    /// How the work is shared: whole inputs where they have flows of their own and there are enough of them.
    pub fn sharing(&self, peers: usize) -> Sharing {
        if peers == 1 || (!self.is_merged && self.streams() >= peers) {
            Sharing::Inputs
        } else {
            Sharing::Packets
        }
    }

    /// How many of them can be read side by side: a compressed archive is one.
    fn streams(&self) -> usize {
        let mut before: Option<&CapturePath> = None;
        let mut count = 0;
        for (capture, _) in &self.paths {
            let is_next = |one: &CapturePath| one.is_in_stream() && one.file == capture.file;
            count += usize::from(!before.is_some_and(is_next));
            before = Some(capture);
        }
        count
    }

    /// The worker that reads each input: the largest first, each to the one with the least to read so far. Only the first has
    /// the standard input of the user; what is in one compressed archive has one reader.
    fn readers(&self, peers: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.sizes.len()).collect();
        order.sort_by_key(|ordinal| (Reverse(self.sizes[*ordinal]), *ordinal));
        let mut load = vec![(0u64, 0usize); peers];
        let mut readers = vec![0; self.sizes.len()];
        let mut archives: HashMap<&Path, usize> = HashMap::new();
        for ordinal in order {
            let capture = &self.paths[ordinal].0;
            let least = (0..peers)
                .filter(|worker| *worker == 0 || capture.file != Path::new("-"))
                .min_by_key(|worker| (load[*worker], *worker))
                .unwrap_or(0);
            let least = match capture.is_in_stream() {
                true => *archives.entry(&capture.file).or_insert(least),
                false => least,
            };
            readers[ordinal] = least;
            load[least] = (load[least].0 + self.sizes[ordinal], load[least].1 + 1);
        }
        readers
    }

    /// The worker of each shard of flows: who reads has fewer of them.
    pub fn owners(&self, plan: &Plan, peers: usize) -> Owners {
        self.parted(flow_cost(plan), peers)
    }

    /// The same where a packet costs this much behind the exchange.
    fn parted(&self, flow: f64, peers: usize) -> Owners {
        let bytes = |ordinal: usize| self.sizes[ordinal].max(1) as f64;
        let all: f64 = (0..self.sizes.len()).map(bytes).sum();
        let mut reading = vec![0.0; peers];
        for (ordinal, reader) in self.readers(peers).into_iter().enumerate() {
            let path = &self.paths[ordinal].0;
            reading[reader] += READ * unpacking(path) * bytes(ordinal) / all;
        }
        let each = (flow + reading.iter().sum::<f64>()) / peers as f64;
        let parts = reading.iter().map(|reading| (each - reading).max(0.0));
        container::owners(&parts.collect::<Vec<_>>())
    }

    /// What the processes of a run must agree on, as each looks at the files itself.
    pub fn agreement(&self, plan: &Plan, place: Place) -> String {
        self.agreed(flow_cost(plan), place.workers * place.processes)
    }

    fn agreed(&self, flow: f64, peers: usize) -> String {
        let readers = self.readers(peers);
        // a file that grows has another size for each: a flow must have one owner all the same
        let owners = self.parted(flow, peers);
        let Self {
            paths,
            names,
            first_times,
            slicing,
            ..
        } = self;
        format!("{paths:?} {names:?} {first_times:?} {slicing:?} {readers:?} {owners:?}")
    }

    /// What the inputs are called, in order.
    pub fn names(&self) -> &[InputName] {
        &self.names
    }

    /// The paths of the inputs, in order.
    pub fn files(&self) -> Vec<String> {
        self.names.iter().map(|name| name.file.clone()).collect()
    }

    /// The files that a worker reads, where they hold rows.
    pub fn paths_of_worker(&self, index: usize, peers: usize) -> Vec<(u32, PathBuf, Bounds)> {
        let readers = self.readers(peers);
        (0u32..)
            .zip(&self.paths)
            .zip(readers)
            .filter(|(_, reader)| *reader == index)
            .map(|((source, (path, bounds)), _)| (source, path.file.clone(), *bounds))
            .collect()
    }

    /// The inputs that a worker reads; the progress of `control` is told how large they are.
    pub fn of_worker(&self, index: usize, peers: usize, control: &Control) -> Vec<Box<dyn Input>> {
        let (pool, streams) = (BlockPool::default(), Streams::default());
        let readers = self.readers(peers);
        let all = self.paths.iter().zip(&self.first_times).enumerate();
        all.filter(|(ordinal, _)| readers[*ordinal] == index)
            .map(|(ordinal, ((path, bounds), first_time))| {
                control.progress.expect(self.sizes[ordinal]);
                Box::new(CaptureInput {
                    path: path.clone(),
                    streams: streams.clone(),
                    source: u32::try_from(ordinal).unwrap_or(u32::MAX),
                    first_time: *first_time,
                    bounds: *bounds,
                    pool: pool.clone(),
                    progress: Arc::clone(&control.progress),
                    stop: Arc::clone(&control.stop),
                    nameless: self.nameless[ordinal].clone(),
                }) as Box<dyn Input>
            })
            .collect()
    }
}

/// How the work of a plan is shared on this machine, where its inputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Inputs that the sources name.
    pub inputs: usize,
    /// Processes.
    pub processes: usize,
    /// Workers of each.
    pub workers: usize,
    /// Whether packets go from worker to worker, to that of their flow; else each worker has whole inputs to itself.
    pub is_exchanged: bool,
}

impl Layout {
    /// Looks which inputs there are; opens them only to see whether they are archives.
    ///
    /// # Errors
    /// A source names nothing, or the hosts file cannot be read.
    pub fn of(plan: &Plan) -> Result<Self, Error> {
        let inputs = Inputs::list(plan)?;
        let (processes, workers) = cluster::size(plan)?;
        Ok(Self {
            inputs: inputs.paths.len(),
            processes,
            workers,
            is_exchanged: inputs.sharing(processes * workers) == Sharing::Packets,
        })
    }
}

/// SHA-256 of a file, 64 hexadecimal digits.
///
/// # Errors
/// It cannot be read.
pub fn digest(path: &Path) -> Result<String, Error> {
    let failed = |error| Error::file("read", path, error);
    let mut file = File::open(path).map_err(failed)?;
    let mut sum = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => return Ok(hex(&sum.finalize())),
            read => sum.update(piece.get(..read).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(files: &[(&str, u64)]) -> Inputs {
        Inputs {
            paths: files
                .iter()
                .map(|(name, _)| (PathBuf::from(name).into(), Bounds::default()))
                .collect(),
            names: vec![InputName::default(); files.len()],
            nameless: vec![None; files.len()],
            sizes: files.iter().map(|(_, bytes)| *bytes).collect(),
            first_times: vec![0; files.len()],
            slicing: Slicing::Packets(1),
            is_merged: true,
            strict: false,
        }
    }

    #[test]
    fn processes_that_would_part_flows_differently_do_not_agree() {
        let agreed = |bytes: u64| inputs(&[("a.pcap", bytes), ("b.pcap", 10)]).agreed(350.0, 2);
        assert_eq!(agreed(100), agreed(100));
        assert_ne!(agreed(100), agreed(20), "the readers are the same");
    }

    #[test]
    fn who_reads_has_fewer_flows() {
        let counts = |files: &[(&str, u64)], flow: f64, peers: usize| {
            let owners = inputs(files).parted(flow, peers);
            let of = |worker: usize| owners.iter().filter(|owner| **owner == worker).count();
            (0..peers).map(of).collect::<Vec<_>>()
        };
        assert_eq!(counts(&[("a.pcap", 9)], 350.0, 1), [256]);
        assert_eq!(counts(&[("a.pcap", 9)], 350.0, 2), [101, 155]);
        assert_eq!(counts(&[("-", 0)], 350.0, 2), [101, 155]);
        // one that has to be unpacked takes a worker for itself
        assert_eq!(counts(&[("a.pcap.gz", 9)], 350.0, 3), [0, 128, 128]);
        // both read
        assert_eq!(
            counts(&[("a.pcap", 5), ("b.pcap", 5)], 350.0, 2),
            [128, 128]
        );
        assert_eq!(
            counts(&[("a.pcap", 8), ("b.pcap", 2)], 350.0, 2),
            [112, 144]
        );
    }
}
