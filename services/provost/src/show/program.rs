//! How to call this program again.

use std::path::{Path, PathBuf};

/// What to type to run this program: its path from here when it lies below, its name when that finds it,
/// else its whole path.
pub fn program() -> String {
    let here = std::env::current_dir().unwrap_or_default();
    std::env::current_exe().map_or_else(|_| "provost".to_owned(), |program| from(&program, &here, found().as_deref()))
}

/// What the shell runs when somebody types `provost`.
fn found() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let program =
        std::env::split_paths(&path).map(|folder| folder.join("provost")).find(|program| program.is_file())?;
    program.canonicalize().ok()
}

fn from(program: &Path, here: &Path, found: Option<&Path>) -> String {
    match program.strip_prefix(here) {
        _ if found == Some(program) => "provost".to_owned(),
        Ok(below) if below.components().count() > 1 => below.display().to_string(),
        Ok(below) => format!("./{}", below.display()),
        Err(_) => program.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_is_named_so_that_it_can_be_typed() {
        let here = Path::new("/home/ada/provost");
        let built = Path::new("/home/ada/provost/target/debug/provost");
        let installed = Path::new("/usr/bin/provost");
        assert_eq!(from(built, here, None), "target/debug/provost");
        assert_eq!(from(built, here, Some(installed)), "target/debug/provost");
        assert_eq!(from(Path::new("/home/ada/provost/provost"), here, None), "./provost");
        assert_eq!(from(built, Path::new("/home/bob"), None), "/home/ada/provost/target/debug/provost");
        assert_eq!(from(installed, here, Some(installed)), "provost");
    }
}
