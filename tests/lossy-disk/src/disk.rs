//! The tree of files: names go straight to the backing folder, contents by [`Pages`].

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use parking_lot::Mutex;

use crate::pages::Pages;

/// Nothing is remembered by the kernel: lengths change behind its back.
const NO_TIME: Duration = Duration::ZERO;
const ROOT: u64 = 1;

/// A folder whose files lose what is not synced.
#[derive(Debug)]
pub struct Disk(Mutex<Tree>);

#[derive(Debug)]
struct Tree {
    nodes: HashMap<u64, Node>,
    /// The number that the backing folder itself has.
    root: u64,
    random: u64,
}

#[derive(Debug)]
struct Node {
    path: PathBuf,
    /// Kept while somebody has it open or it holds what is not synced.
    file: Option<File>,
    opened: usize,
    pages: Pages,
}

impl Disk {
    /// # Errors
    /// Where the folder cannot be read.
    pub fn over(backing: PathBuf, seed: u64) -> io::Result<Self> {
        let root = fs::metadata(&backing)?.ino();
        let node = Node::at(backing);
        Ok(Self(Mutex::new(Tree {
            nodes: HashMap::from([(ROOT, node)]),
            root,
            random: seed | 1,
        })))
    }
}

impl Node {
    fn at(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            opened: 0,
            pages: Pages::default(),
        }
    }

    fn file(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            let file = File::options().read(true).write(true).open(&self.path)?;
            self.file = Some(file);
        }
        Ok(self.file.as_ref().expect("it was just opened"))
    }

    fn metadata(&self) -> io::Result<Metadata> {
        match &self.file {
            Some(file) => file.metadata(),
            None => fs::symlink_metadata(&self.path),
        }
    }
}

impl Tree {
    fn node(&mut self, ino: INodeNo) -> io::Result<&mut Node> {
        let found = self.nodes.get_mut(&ino.0);
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn path(&mut self, parent: INodeNo, name: &OsStr) -> io::Result<PathBuf> {
        Ok(self.node(parent)?.path.join(name))
    }

    fn number(&self, metadata: &Metadata) -> u64 {
        if metadata.ino() == self.root {
            ROOT
        } else {
            metadata.ino()
        }
    }

    /// Enters what lies at `path`, and says what it is.
    fn enter(&mut self, path: PathBuf) -> io::Result<FileAttr> {
        let metadata = fs::symlink_metadata(&path)?;
        let number = self.number(&metadata);
        let node = self
            .nodes
            .entry(number)
            .or_insert_with(|| Node::at(path.clone()));
        node.path = path;
        Ok(attributes(number, &metadata, node.pages.unsynced_length()))
    }

    fn attributes(&mut self, ino: INodeNo) -> io::Result<FileAttr> {
        let node = self.node(ino)?;
        let length = node.pages.unsynced_length();
        Ok(attributes(ino.0, &node.metadata()?, length))
    }

    /// Of what has no name any more; what somebody has open lives on.
    fn forget_name(&mut self, path: &Path, number: u64) {
        let is_last = self
            .nodes
            .get(&number)
            .is_some_and(|node| node.opened == 0 && node.path == path);
        if is_last {
            self.nodes.remove(&number);
        }
    }

    fn moved(&mut self, from: &Path, to: &Path) {
        for node in self.nodes.values_mut() {
            if let Ok(rest) = node.path.strip_prefix(from) {
                node.path = if rest.as_os_str().is_empty() {
                    to.to_owned()
                } else {
                    to.join(rest)
                };
            }
        }
    }

    /// Xorshift: one page in ten.
    fn goes_through(random: &mut u64) -> bool {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random % 10 == 0
    }

    fn write(&mut self, ino: INodeNo, offset: u64, data: &[u8]) -> io::Result<()> {
        let Self { nodes, random, .. } = self;
        let node = nodes.get_mut(&ino.0).ok_or(io::ErrorKind::NotFound)?;
        node.file()?;
        let file = node.file.as_ref().expect("it is open");
        node.pages
            .write(file, (offset, data), || Self::goes_through(random))
    }

    fn change(
        &mut self,
        ino: INodeNo,
        mode: Option<u32>,
        size: Option<u64>,
    ) -> io::Result<FileAttr> {
        let node = self.node(ino)?;
        if let Some(size) = size {
            node.file()?;
            let file = node.file.as_ref().expect("it is open");
            node.pages.truncate(file, size)?;
        }
        if let Some(mode) = mode {
            let permissions = fs::Permissions::from_mode(mode & 0o7777);
            fs::set_permissions(&node.path, permissions)?;
        }
        self.attributes(ino)
    }

    fn remove(&mut self, parent: INodeNo, name: &OsStr) -> io::Result<()> {
        let path = self.path(parent, name)?;
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            fs::remove_dir(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
        if metadata.is_dir() || metadata.nlink() == 1 {
            let number = self.number(&metadata);
            self.forget_name(&path, number);
        }
        Ok(())
    }

    fn rename(&mut self, from: PathBuf, to: &Path) -> io::Result<()> {
        let replaced = fs::symlink_metadata(to).ok();
        fs::rename(&from, to)?;
        if let Some(replaced) = replaced.filter(|replaced| replaced.nlink() == 1) {
            let number = self.number(&replaced);
            self.forget_name(to, number);
        }
        self.moved(&from, to);
        Ok(())
    }

    fn open(&mut self, ino: INodeNo) -> io::Result<()> {
        let node = self.node(ino)?;
        node.file()?;
        node.opened += 1;
        Ok(())
    }

    fn release(&mut self, ino: INodeNo) {
        let Ok(node) = self.node(ino) else { return };
        node.opened = node.opened.saturating_sub(1);
        if node.opened > 0 {
            return;
        }
        let is_gone = node.metadata().is_ok_and(|metadata| metadata.nlink() == 0);
        if is_gone {
            self.nodes.remove(&ino.0);
        } else if node.pages.unsynced_length().is_none() {
            node.file = None;
        }
    }

    fn sync(&mut self, ino: INodeNo) -> io::Result<()> {
        let node = self.node(ino)?;
        match &node.file {
            Some(file) => node.pages.sync(file),
            None => Ok(()),
        }
    }

    fn list(&mut self, ino: INodeNo) -> io::Result<Vec<(u64, FileType, std::ffi::OsString)>> {
        let path = self.node(ino)?.path.clone();
        let mut found = vec![
            (ino.0, FileType::Directory, ".".into()),
            (ino.0, FileType::Directory, "..".into()),
        ];
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let metadata = entry.metadata()?;
            found.push((self.number(&metadata), kind(&metadata), entry.file_name()));
        }
        Ok(found)
    }
}

fn kind(metadata: &Metadata) -> FileType {
    FileType::from_std(metadata.file_type()).unwrap_or(FileType::RegularFile)
}

fn attributes(number: u64, metadata: &Metadata, length: Option<u64>) -> FileAttr {
    let size = length.unwrap_or(metadata.len());
    let changed = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    FileAttr {
        ino: INodeNo(number),
        size,
        blocks: size.div_ceil(512),
        atime: changed,
        mtime: changed,
        ctime: changed,
        crtime: changed,
        kind: kind(metadata),
        perm: (metadata.mode() & 0o7777) as u16,
        nlink: metadata.nlink() as u32,
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from(error)
}

fn answer(done: io::Result<()>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(error)),
    }
}

fn entry(made: io::Result<FileAttr>, reply: ReplyEntry) {
    match made {
        Ok(attributes) => reply.entry(&NO_TIME, &attributes, Generation(0)),
        Err(error) => reply.error(errno(error)),
    }
}

impl Filesystem for Disk {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut tree = self.0.lock();
        let found = tree.path(parent, name).and_then(|path| tree.enter(path));
        entry(found, reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.0.lock().attributes(ino) {
            Ok(attributes) => reply.attr(&NO_TIME, &attributes),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        match self.0.lock().change(ino, mode, size) {
            Ok(attributes) => reply.attr(&NO_TIME, &attributes),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        let read = self.0.lock().node(ino).map(|node| node.path.clone());
        match read.and_then(fs::read_link) {
            Ok(target) => reply.data(target.as_os_str().as_encoded_bytes()),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn mkdir(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let mut tree = self.0.lock();
        let made = tree.path(parent, name).and_then(|path| {
            fs::DirBuilder::new().mode(mode & !umask).create(&path)?;
            tree.enter(path)
        });
        entry(made, reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.0.lock().remove(parent, name), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.0.lock().remove(parent, name), reply);
    }

    fn symlink(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let mut tree = self.0.lock();
        let made = tree.path(parent, name).and_then(|path| {
            std::os::unix::fs::symlink(target, &path)?;
            tree.enter(path)
        });
        entry(made, reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !flags.is_empty() {
            return reply.error(Errno::EINVAL);
        }
        let mut tree = self.0.lock();
        let renamed = tree.path(parent, name).and_then(|from| {
            let to = tree.path(new_parent, new_name)?;
            tree.rename(from, &to)
        });
        answer(renamed, reply);
    }

    fn link(
        &self,
        _: &Request,
        ino: INodeNo,
        new_parent: INodeNo,
        new_name: &OsStr,
        reply: ReplyEntry,
    ) {
        let mut tree = self.0.lock();
        let made = tree.path(new_parent, new_name).and_then(|path| {
            fs::hard_link(&tree.node(ino)?.path, &path)?;
            tree.enter(path)
        });
        entry(made, reply);
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.0.lock().open(ino) {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let mut tree = self.0.lock();
        let made = tree.path(parent, name).and_then(|path| {
            let mut options = File::options();
            options
                .read(true)
                .write(true)
                .create(true)
                .mode(mode & !umask);
            options.open(&path)?;
            let attributes = tree.enter(path)?;
            tree.open(attributes.ino)?;
            Ok(attributes)
        });
        match made {
            Ok(attributes) => reply.created(
                &NO_TIME,
                &attributes,
                Generation(0),
                FileHandle(0),
                FopenFlags::FOPEN_DIRECT_IO,
            ),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut tree = self.0.lock();
        let read = tree.node(ino).and_then(|node| {
            node.file()?;
            let file = node.file.as_ref().expect("it is open");
            node.pages.read(file, offset, size as usize)
        });
        match read {
            Ok(data) => reply.data(&data),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut tree = self.0.lock();
        let mut written = tree.write(ino, offset, data);
        if written.is_ok() && flags.0 & libc::O_DSYNC != 0 {
            written = tree.sync(ino);
        }
        match written {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.0.lock().release(ino);
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(self.0.lock().sync(ino), reply);
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let entries = match self.0.lock().list(ino) {
            Ok(entries) => entries,
            Err(error) => return reply.error(errno(error)),
        };
        for (next, (number, kind, name)) in (1..).zip(entries).skip(offset as usize) {
            if reply.add(INodeNo(number), next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let plenty = 1 << 30;
        reply.statfs(plenty, plenty, plenty, plenty, plenty, 4096, 255, 4096);
    }
}
