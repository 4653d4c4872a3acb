"""Which store an apiserver works on: SQLite on its own disk, or an etcd that several apiservers share.

The one place that knows both. The settings are kube-apiserver's; without ``etcd_servers`` it is SQLite.
"""

from master.apiserver.config import Config
from master.store.etcd.options import EtcdOptions
from master.store.etcd.store import EtcdStore
from master.store.sqlite import SqliteOptions, SqliteStore


def store_options(config: Config) -> SqliteOptions | EtcdOptions:
    """Raises ValueError for settings that ``Config.check`` refuses."""
    if not config.etcd_servers:
        return SqliteOptions(path=config.data_dir / "state.db", watch_queue=config.watch_queue)
    return EtcdOptions(
        endpoints=config.etcd_servers,
        prefix=config.etcd_prefix,
        ca_file=config.etcd_cafile,
        cert_file=config.etcd_certfile,
        key_file=config.etcd_keyfile,
        watch_queue=config.watch_queue,
    )


def new_store(config: Config) -> SqliteStore | EtcdStore:
    """The store, not yet open; its folder is there."""
    options = store_options(config)
    if isinstance(options, EtcdOptions):
        return EtcdStore(options)
    config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return SqliteStore(options)
