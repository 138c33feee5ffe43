//! Writes what fuzzing starts from: `seeds FOLDER [CAPTURES..]` makes a folder for each target in FOLDER, from the captures of the
//! repository and of other folders that are named.

mod corpus;

// what instrumented code calls
use libfuzzer_sys as _;

use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let to = arguments.next().unwrap_or_else(|| "corpus".into());
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut captures = vec![repository.join("tests/captures"), repository.join("examples")];
    captures.extend(arguments);
    for (target, seeds) in corpus::seeds(&captures, &repository.join("specs")) {
        let folder = to.join(target);
        std::fs::create_dir_all(&folder)?;
        println!("{target}: {} seeds", seeds.len());
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:05}")), seed)?;
        }
    }
    Ok(())
}
