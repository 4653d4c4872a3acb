"""Which store an apiserver works on: SQLite on its own disk, or an etcd that several apiservers share.

The one place that knows both. The settings are kube-apiserver's; without ``etcd_servers`` it is SQLite. Each is
imported when it is the one.
"""

from typing import TYPE_CHECKING

from master.apiserver.config import Config
from master.store.contract import Store

if TYPE_CHECKING:
    from master.store.etcd.options import EtcdOptions
    from master.store.sqlite import SqliteOptions


def sqlite_options(config: Config) -> "SqliteOptions":
    from master.store.sqlite import SqliteOptions

    return SqliteOptions(path=config.data_dir / "state.db", watch_queue=config.watch_queue)


def etcd_options(config: Config) -> "EtcdOptions":
    """Raises ValueError for settings that ``Config.check`` refuses."""
    from master.store.etcd.options import EtcdOptions

    return EtcdOptions(
        endpoints=config.etcd_servers,
        prefix=config.etcd_prefix,
        ca_file=config.etcd_cafile,
        cert_file=config.etcd_certfile,
        key_file=config.etcd_keyfile,
        watch_queue=config.watch_queue,
    )


def store_options(config: Config) -> "SqliteOptions | EtcdOptions":
    """Those of the store that the settings name."""
    return etcd_options(config) if config.etcd_servers else sqlite_options(config)


def new_store(config: Config) -> Store:
    """The store, not yet open; its folder is there."""
    if config.etcd_servers:
        from master.store.etcd.store import EtcdStore

        return EtcdStore(etcd_options(config))
    from master.store.sqlite import SqliteStore

    config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return SqliteStore(sqlite_options(config))
