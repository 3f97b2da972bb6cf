//! The SFTP subsystem over a host's tree.

use std::collections::HashMap;
use std::fs::{self, File as RealFile, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use russh::server::Msg;
use russh::{Channel, ChannelMsg};
use russh_sftp::protocol::{
    Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Packet, Status, StatusCode, Version,
};
use russh_sftp::server::StatusReply;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::sim::host::SimHost;
use crate::sim::vfs::{WriteMode, absolute, reason};

/// Serves SFTP on a channel until the client ends it, then says exit status 0, as OpenSSH's own
/// server does.
pub(super) async fn run(channel: Channel<Msg>, host: Arc<SimHost>, session: u64) {
    host.log(session, 0, Some("subsystem sftp"), None);
    let (mine, theirs) = tokio::io::duplex(512 << 10);
    russh_sftp::server::run(theirs, Server::new(host)).await;
    let (mut from_server, mut to_server) = tokio::io::split(mine);
    let (mut read, write) = channel.split();
    let incoming = async {
        while let Some(message) = read.wait().await {
            match message {
                ChannelMsg::Data { data } => {
                    let taken = to_server.write_all(&data).await;
                    if taken.is_err() {
                        break;
                    }
                }
                ChannelMsg::Eof | ChannelMsg::Close => break,
                _ => {}
            }
        }
        let _ = to_server.shutdown().await;
    };
    let outgoing = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count) = from_server.read(&mut buffer).await {
            let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else {
                break;
            };
            if write.data_bytes(chunk.to_vec()).await.is_err() {
                break;
            }
        }
    };
    let mut incoming = std::pin::pin!(incoming);
    let mut outgoing = std::pin::pin!(outgoing);
    tokio::select! {
        () = &mut incoming => {
            // What is under way is still answered; a client that is gone takes nothing more.
            let _ = tokio::time::timeout(Duration::from_secs(2), outgoing).await;
        }
        () = &mut outgoing => {}
    }
    let _ = write.exit_status(0).await;
    let _ = write.eof().await;
    let _ = write.close().await;
}

enum Open {
    File {
        file: RealFile,
        real: PathBuf,
        append: bool,
    },
    Folder {
        path: String,
        left: Vec<String>,
    },
}

struct Server {
    host: Arc<SimHost>,
    home: String,
    open: HashMap<String, Open>,
    next: u64,
}

type Answer<T> = Result<T, StatusReply>;

fn refuse(error: &io::Error) -> StatusReply {
    let code = match error.kind() {
        io::ErrorKind::NotFound => StatusCode::NoSuchFile,
        io::ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
        _ => StatusCode::Failure,
    };
    code.with_message(reason(error))
}

fn done(id: u32) -> Status {
    Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "Success".into(),
        language_tag: String::new(),
    }
}

fn attributes(meta: &Metadata) -> FileAttributes {
    FileAttributes {
        size: Some(meta.len()),
        uid: Some(0),
        user: None,
        gid: Some(0),
        group: None,
        permissions: Some(meta.mode()),
        atime: u32::try_from(meta.atime()).ok(),
        mtime: u32::try_from(meta.mtime()).ok(),
    }
}

/// Reads the strings that an extension's data holds.
fn strings(mut data: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some(text) = rest.get(..length) else {
            break;
        };
        found.push(String::from_utf8_lossy(text).into_owned());
        data = rest.get(length..).unwrap_or_default();
    }
    found
}

impl Server {
    fn new(host: Arc<SimHost>) -> Self {
        let home = host.root_home();
        Self {
            host,
            home,
            open: HashMap::new(),
            next: 0,
        }
    }

    fn path(&self, path: &str) -> String {
        absolute(&self.home, path)
    }

    fn keep(&mut self, open: Open) -> String {
        self.next += 1;
        let handle = format!("h{}", self.next);
        self.open.insert(handle.clone(), open);
        handle
    }

    fn file(&self, handle: &str) -> Answer<(&RealFile, &PathBuf, bool)> {
        match self.open.get(handle) {
            Some(Open::File { file, real, append }) => Ok((file, real, *append)),
            _ => Err(StatusCode::Failure.with_message("Bad handle")),
        }
    }

    fn set(&self, real: &std::path::Path, attrs: &FileAttributes) -> io::Result<()> {
        if let Some(size) = attrs.size {
            let before = fs::metadata(real)?.len();
            if size > before {
                self.host.vfs.make_room(real, 0)?;
            }
            RealFile::options().write(true).open(real)?.set_len(size)?;
        }
        if let Some(mode) = attrs.permissions {
            fs::set_permissions(real, fs::Permissions::from_mode(mode & 0o7777))?;
        }
        if let Some(mtime) = attrs.mtime {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(mtime));
            RealFile::open(real)?.set_modified(time)?;
        }
        Ok(())
    }
}

impl russh_sftp::server::Handler for Server {
    type Error = StatusReply;

    fn unimplemented(&self) -> Self::Error {
        StatusCode::OpUnsupported.with_message("Operation unsupported")
    }

    async fn init(
        &mut self,
        _version: u32,
        _extensions: HashMap<String, String>,
    ) -> Answer<Version> {
        let mut version = Version::new();
        for (name, value) in [
            ("posix-rename@openssh.com", "1"),
            ("fsync@openssh.com", "1"),
            ("hardlink@openssh.com", "1"),
        ] {
            version.extensions.insert(name.to_owned(), value.to_owned());
        }
        Ok(version)
    }

    async fn open(
        &mut self,
        id: u32,
        filename: String,
        pflags: OpenFlags,
        attrs: FileAttributes,
    ) -> Answer<Handle> {
        let path = self.path(&filename);
        let writes = pflags.contains(OpenFlags::WRITE) || pflags.contains(OpenFlags::APPEND);
        let append = pflags.contains(OpenFlags::APPEND);
        let opened = if writes {
            let fresh = !self.host.vfs.exists(&path);
            let mode = WriteMode {
                append: false,
                truncate: pflags.contains(OpenFlags::TRUNCATE),
                read: true,
                new: pflags.contains(OpenFlags::EXCLUDE),
                existing: !pflags.contains(OpenFlags::CREATE),
            };
            self.host
                .vfs
                .open_write(&path, mode)
                .and_then(|(file, real)| {
                    if let Some(mode) = attrs.permissions.filter(|_| fresh) {
                        fs::set_permissions(&real, fs::Permissions::from_mode(mode & 0o7777))?;
                    }
                    Ok((file, real))
                })
        } else {
            self.host
                .vfs
                .open(&path)
                .and_then(|file| Ok((file, self.host.vfs.real(&path, true)?)))
        };
        let (file, real) = opened.map_err(|error| refuse(&error))?;
        Ok(Handle {
            id,
            handle: self.keep(Open::File { file, real, append }),
        })
    }

    async fn close(&mut self, id: u32, handle: String) -> Answer<Status> {
        match self.open.remove(&handle) {
            Some(_) => Ok(done(id)),
            None => Err(StatusCode::Failure.with_message("Bad handle")),
        }
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, len: u32) -> Answer<Data> {
        let (file, _, _) = self.file(&handle)?;
        let mut data = vec![0; (len as usize).min(256 << 10)];
        let count = file
            .read_at(&mut data, offset)
            .map_err(|error| refuse(&error))?;
        if count == 0 {
            return Err(StatusCode::Eof.into());
        }
        data.truncate(count);
        Ok(Data { id, data })
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Answer<Status> {
        let (file, real, append) = self.file(&handle)?;
        let offset = if append {
            file.metadata().map(|meta| meta.len()).unwrap_or(offset)
        } else {
            offset
        };
        self.host
            .vfs
            .make_room(real, data.len() as u64)
            .and_then(|()| file.write_all_at(&data, offset))
            .map_err(|error| refuse(&error))?;
        Ok(done(id))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Answer<Attrs> {
        let meta = self
            .host
            .vfs
            .metadata(&self.path(&path), false)
            .map_err(|error| refuse(&error))?;
        Ok(Attrs {
            id,
            attrs: attributes(&meta),
        })
    }

    async fn stat(&mut self, id: u32, path: String) -> Answer<Attrs> {
        let meta = self
            .host
            .vfs
            .metadata(&self.path(&path), true)
            .map_err(|error| refuse(&error))?;
        Ok(Attrs {
            id,
            attrs: attributes(&meta),
        })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Answer<Attrs> {
        let (file, _, _) = self.file(&handle)?;
        let meta = file.metadata().map_err(|error| refuse(&error))?;
        Ok(Attrs {
            id,
            attrs: attributes(&meta),
        })
    }

    async fn setstat(&mut self, id: u32, path: String, attrs: FileAttributes) -> Answer<Status> {
        let real = self
            .host
            .vfs
            .real(&self.path(&path), true)
            .map_err(|error| refuse(&error))?;
        if self.host.vfs.is_locked(&real) {
            return Err(StatusCode::Failure.with_message("Device or resource busy"));
        }
        self.set(&real, &attrs).map_err(|error| refuse(&error))?;
        Ok(done(id))
    }

    async fn fsetstat(&mut self, id: u32, handle: String, attrs: FileAttributes) -> Answer<Status> {
        let (_, real, _) = self.file(&handle)?;
        self.set(real, &attrs).map_err(|error| refuse(&error))?;
        Ok(done(id))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Answer<Handle> {
        let path = self.path(&path);
        let mut left = self.host.vfs.names(&path).map_err(|error| refuse(&error))?;
        left.splice(0..0, [".".to_owned(), "..".to_owned()]);
        Ok(Handle {
            id,
            handle: self.keep(Open::Folder { path, left }),
        })
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Answer<Name> {
        let Some(Open::Folder { path, left }) = self.open.get_mut(&handle) else {
            return Err(StatusCode::Failure.with_message("Bad handle"));
        };
        if left.is_empty() {
            return Err(StatusCode::Eof.into());
        }
        let names: Vec<String> = left.drain(..left.len().min(100)).collect();
        let mut files = Vec::new();
        for name in names {
            if let Ok(meta) = self.host.vfs.metadata(&format!("{path}/{name}"), false) {
                files.push(File::new(name, attributes(&meta)));
            }
        }
        Ok(Name { id, files })
    }

    async fn remove(&mut self, id: u32, filename: String) -> Answer<Status> {
        self.host
            .vfs
            .remove(&self.path(&filename))
            .map_err(|error| refuse(&error))?;
        Ok(done(id))
    }

    async fn mkdir(&mut self, id: u32, path: String, _attrs: FileAttributes) -> Answer<Status> {
        self.host
            .vfs
            .real(&self.path(&path), false)
            .and_then(|real| {
                self.host.vfs.make_room(&real, 1)?;
                fs::create_dir(real)
            })
            .map_err(|error| refuse(&error))?;
        Ok(done(id))
    }

    async fn rmdir(&mut self, id: u32, path: String) -> Answer<Status> {
        self.host
            .vfs
            .real(&self.path(&path), false)
            .and_then(fs::remove_dir)
            .map_err(|error| refuse(&error))?;
        Ok(done(id))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Answer<Name> {
        let real = self
            .host
            .vfs
            .real(&self.path(&path), true)
            .map_err(|error| refuse(&error))?;
        let shown = self.host.vfs.shown(&real);
        Ok(Name {
            id,
            files: vec![File::dummy(shown)],
        })
    }

    async fn rename(&mut self, id: u32, oldpath: String, newpath: String) -> Answer<Status> {
        let to = self.path(&newpath);
        // Version 3 of the protocol does not overwrite; the extension below does.
        if self.host.vfs.metadata(&to, false).is_ok() {
            return Err(StatusCode::Failure.with_message("File exists"));
        }
        self.host
            .vfs
            .rename(&self.path(&oldpath), &to)
            .map_err(|error| refuse(&error))?;
        Ok(done(id))
    }

    async fn readlink(&mut self, id: u32, path: String) -> Answer<Name> {
        let target = self
            .host
            .vfs
            .real(&self.path(&path), false)
            .and_then(fs::read_link)
            .map_err(|error| refuse(&error))?;
        Ok(Name {
            id,
            files: vec![File::dummy(target.to_string_lossy())],
        })
    }

    async fn symlink(&mut self, id: u32, linkpath: String, targetpath: String) -> Answer<Status> {
        // OpenSSH and libssh2 send the target first, against the draft.
        let (target, link) = (linkpath, targetpath);
        self.host
            .vfs
            .real(&self.path(&link), false)
            .and_then(|real| std::os::unix::fs::symlink(target, real))
            .map_err(|error| refuse(&error))?;
        Ok(done(id))
    }

    async fn extended(&mut self, id: u32, request: String, data: Vec<u8>) -> Answer<Packet> {
        let words = strings(&data);
        match (request.as_str(), words.as_slice()) {
            ("fsync@openssh.com", [handle]) => {
                let (file, _, _) = self.file(handle)?;
                file.sync_all().map_err(|error| refuse(&error))?;
                Ok(done(id).into())
            }
            ("posix-rename@openssh.com", [from, to]) => {
                let (from, to) = (self.path(from), self.path(to));
                self.host
                    .vfs
                    .rename(&from, &to)
                    .map_err(|error| refuse(&error))?;
                Ok(done(id).into())
            }
            ("hardlink@openssh.com", [from, to]) if self.host.esxi.is_none() => {
                let linked = self
                    .host
                    .vfs
                    .real(&self.path(from), false)
                    .and_then(|from| {
                        fs::hard_link(from, self.host.vfs.real(&self.path(to), false)?)
                    });
                linked.map_err(|error| refuse(&error))?;
                Ok(done(id).into())
            }
            _ => Err(self.unimplemented_request()),
        }
    }
}

impl Server {
    fn unimplemented_request(&self) -> StatusReply {
        StatusCode::OpUnsupported.with_message("Operation unsupported")
    }
}
