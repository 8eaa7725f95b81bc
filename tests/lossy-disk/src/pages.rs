//! One file: what is on the disk, and the pages of it that are only in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

const PAGE: u64 = 4096;

type Page = Box<[u8; PAGE as usize]>;

/// Pages that were written and not synced, and the length that goes with them.
#[derive(Debug, Default)]
pub struct Pages {
    dirty: BTreeMap<u64, Page>,
    /// None where it is that of the file on disk.
    length: Option<u64>,
}

impl Pages {
    pub fn length(&self, file: &File) -> io::Result<u64> {
        match self.length {
            Some(length) => Ok(length),
            None => Ok(file.metadata()?.len()),
        }
    }

    pub fn unsynced_length(&self) -> Option<u64> {
        self.length
    }

    pub fn read(&self, file: &File, offset: u64, size: usize) -> io::Result<Vec<u8>> {
        let end = self.length(file)?.min(offset + size as u64);
        let mut read = vec![0; end.saturating_sub(offset) as usize];
        fill(file, &mut read, offset)?;
        if let Some(last) = end.checked_sub(1).filter(|last| *last >= offset) {
            for (number, page) in self.dirty.range(offset / PAGE..=last / PAGE) {
                let begin = number * PAGE;
                let (from, to) = (begin.max(offset), (begin + PAGE).min(end));
                read[(from - offset) as usize..(to - offset) as usize]
                    .copy_from_slice(&page[(from - begin) as usize..(to - begin) as usize]);
            }
        }
        Ok(read)
    }

    /// `goes_through` says of each page whether the disk writes it at once.
    pub fn write(
        &mut self,
        file: &File,
        (offset, data): (u64, &[u8]),
        mut goes_through: impl FnMut() -> bool,
    ) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let before = self.length(file)?;
        let end = offset + data.len() as u64;
        for number in offset / PAGE..=(end - 1) / PAGE {
            let begin = number * PAGE;
            if !self.dirty.contains_key(&number) {
                let mut page = Box::new([0; PAGE as usize]);
                fill(file, page.as_mut_slice(), begin)?;
                self.dirty.insert(number, page);
            }
            let page = self.dirty.get_mut(&number).expect("it was just put there");
            let (from, to) = (begin.max(offset), (begin + PAGE).min(end));
            page[(from - begin) as usize..(to - begin) as usize]
                .copy_from_slice(&data[(from - offset) as usize..(to - offset) as usize]);
            // Within the length on disk, so that a page that goes through does not make it longer.
            if goes_through() && begin + PAGE <= file.metadata()?.len() {
                file.write_all_at(page.as_slice(), begin)?;
                self.dirty.remove(&number);
            }
        }
        self.length = Some(before.max(end));
        Ok(())
    }

    /// What was written is on disk from here on.
    pub fn sync(&mut self, file: &File) -> io::Result<()> {
        let length = self.length(file)?;
        for (number, page) in std::mem::take(&mut self.dirty) {
            let begin = number * PAGE;
            let part = length.saturating_sub(begin).min(PAGE) as usize;
            file.write_all_at(&page[..part], begin)?;
        }
        if self.length.take().is_some() && file.metadata()?.len() != length {
            file.set_len(length)?;
        }
        Ok(())
    }

    /// Cut, or made longer, on disk at once.
    pub fn truncate(&mut self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)?;
        self.dirty.split_off(&length.div_ceil(PAGE));
        if let Some(page) = self.dirty.get_mut(&(length / PAGE)) {
            page[(length % PAGE) as usize..].fill(0);
        }
        self.length = None;
        Ok(())
    }
}

/// Zeros where there is nothing on disk.
fn fill(file: &File, mut into: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !into.is_empty() {
        match file.read_at(into, offset)? {
            0 => {
                into.fill(0);
                return Ok(());
            }
            read => {
                into = &mut into[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> (File, std::path::PathBuf) {
        let path = std::env::temp_dir().join(format!("lossy-{}-{name}", std::process::id()));
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        (options.open(&path).unwrap(), path)
    }

    #[test]
    fn what_is_not_synced_is_read_and_not_on_disk() {
        let (file, path) = file("unsynced");
        let mut pages = Pages::default();
        pages
            .write(&file, (4090, b"across a page"), || false)
            .unwrap();
        assert_eq!(pages.read(&file, 4090, 100).unwrap(), b"across a page");
        assert_eq!(pages.length(&file).unwrap(), 4103);
        assert_eq!(file.metadata().unwrap().len(), 0);
        pages.sync(&file).unwrap();
        let on_disk = std::fs::read(&path).unwrap();
        assert_eq!(
            (on_disk.len(), &on_disk[4090..]),
            (4103, &b"across a page"[..])
        );

        pages.write(&file, (0, b"lost"), || false).unwrap();
        pages.write(&file, (4096, b"gone"), || true).unwrap();
        assert_eq!(
            std::fs::read(&path).unwrap(),
            on_disk,
            "the last page is not a whole one"
        );
        pages.truncate(&file, 2).unwrap();
        assert_eq!(pages.read(&file, 0, 100).unwrap(), b"lo");
        pages.truncate(&file, 10).unwrap();
        assert_eq!(pages.read(&file, 0, 100).unwrap(), b"lo\0\0\0\0\0\0\0\0");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_page_that_goes_through_is_on_disk() {
        let (file, path) = file("through");
        file.set_len(3 * PAGE).unwrap();
        let mut pages = Pages::default();
        let mut turn = 0;
        let every_other = || {
            turn += 1;
            turn % 2 == 0
        };
        pages
            .write(&file, (0, &vec![b'x'; 3 * PAGE as usize]), every_other)
            .unwrap();
        let on_disk = std::fs::read(&path).unwrap();
        let page = PAGE as usize;
        assert!(on_disk[..page].iter().all(|byte| *byte == 0));
        assert!(on_disk[page..2 * page].iter().all(|byte| *byte == b'x'));
        assert!(on_disk[2 * page..].iter().all(|byte| *byte == 0));
        std::fs::remove_file(path).unwrap();
    }
}
