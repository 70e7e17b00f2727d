//! Which objects a path names.

use crate::bucket::Bucket;
use crate::failure::failed;
use engine::port::PortError;
use engine::run::connectors::storage::{StoredFile, is_passed_over};
use futures_util::TryStreamExt;
use model::Kind;
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt};

/// Objects of one table, at most: each is a split, which is told and kept by itself.
const OBJECTS_MAX: usize = 100_000;

/// The object that `bucket`'s prefix names, or all below it, in the order of their names.
pub(super) async fn objects(bucket: &Bucket) -> Result<Vec<StoredFile>, PortError> {
    let refused = |error| failed(&bucket.to_string(), &error);
    let whole = match bucket.prefix().as_ref().is_empty() {
        true => None,
        false => match bucket.store().head(bucket.prefix()).await {
            Ok(meta) => Some(meta),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(refused(error)),
        },
    };
    // An object of a folder's name marks that folder, for some clients.
    if let Some(meta) = whole.filter(|meta| meta.size > 0) {
        return Ok(vec![found(bucket, &meta)]);
    }
    let mut listed = bucket.store().list(Some(bucket.prefix()));
    let mut objects = Vec::new();
    while let Some(meta) = listed.try_next().await.map_err(refused)? {
        if meta.size == 0 || is_hidden(bucket.prefix(), &meta.location) {
            continue;
        }
        if objects.len() == OBJECTS_MAX {
            let what =
                format!("{bucket}: it has more than {OBJECTS_MAX} objects, which are the most; name a folder in it");
            return Err(PortError::new(Kind::Invalid, what));
        }
        objects.push(found(bucket, &meta));
    }
    if objects.is_empty() {
        return Err(PortError::new(Kind::NotFound, format!("{bucket}: there is no object of this name, or below it")));
    }
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(objects)
}

fn found(bucket: &Bucket, meta: &ObjectMeta) -> StoredFile {
    let version = meta.e_tag.as_deref().map(Into::into);
    StoredFile { name: bucket.address_of(&meta.location), bytes: meta.size, version }
}

/// Whether readers pass over it: a part of its name below the prefix begins with `.` or `_`.
fn is_hidden(prefix: &Path, location: &Path) -> bool {
    location.prefix_match(prefix).is_some_and(|mut parts| parts.any(|part| is_passed_over(part.as_ref())))
}
