// What the JavaScript client, @kubernetes/client-node, can do with a pod. Prints what came of it as JSON.
//
//   node javascript.mjs MODULE KUBECONFIG STEP ARGUMENT...
import fs from 'node:fs';
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const [module, kubeconfig, step, ...given] = process.argv.slice(2);
const k8s = await import(pathToFileURL(module));
const config = new k8s.KubeConfig();
config.loadFromFile(kubeconfig);

function kept() {
    const sink = new PassThrough();
    const parts = [];
    sink.on('data', (part) => parts.push(part));
    sink.text = () => Buffer.concat(parts).toString();
    return sink;
}

async function until(holds) {
    for (let tries = 0; tries < 600 && !holds(); tries++) await pause(100);
}

// The client's copy does not wait for its end itself.
class Awaited extends k8s.Exec {
    exec(...given) {
        const told = given[8];
        this.ended = new Promise((done) => {
            given[8] = (status) => Promise.resolve(told?.(status)).then(() => done(status));
        });
        return super.exec(...given);
    }
}

function exec(pod, container, command, stdin) {
    const [out, err] = [kept(), kept()];
    return new Promise((done, failed) => {
        new k8s.Exec(config)
            .exec('default', pod, container, command, out, err, stdin, false, (status) =>
                done({ out: out.text(), err: err.text(), status }),
            )
            .catch((event) => failed(new Error(event.message)));
    });
}

const steps = {
    list: async () => {
        const found = await config.makeApiClient(k8s.CoreV1Api).listNamespacedPod({ namespace: 'default' });
        return found.items.map((pod) => pod.metadata.name);
    },
    watch: (pod) =>
        new Promise((done, failed) => {
            const path = '/api/v1/namespaces/default/pods';
            const seen = (type, object) => object.metadata.name === pod && done([type, object.kind]);
            new k8s.Watch(config).watch(path, {}, seen, failed);
        }),
    run: (pod, container, ...command) => exec(pod, container, command, null),
    feed: (pod, container, file, ...command) => exec(pod, container, command, fs.createReadStream(file)),
    attach: async (pod, container, line) => {
        const [out, input] = [kept(), new PassThrough()];
        await new k8s.Attach(config).attach('default', pod, container, out, null, input, false);
        input.write(`${line}\n`);
        await until(() => out.text().includes(line));
        return out.text();
    },
    forward: async (pod, port) => {
        const [out, err, input] = [kept(), kept(), new PassThrough()];
        await new k8s.PortForward(config).portForward('default', pod, [Number(port)], out, err, input);
        input.write('GET / HTTP/1.0\r\n\r\n');
        await until(() => out.text().includes('\r\n\r\n') && out.text().endsWith('\n'));
        return { out: out.text(), err: err.text() };
    },
    follow: async (pod, container, lines) => {
        const out = kept();
        await new k8s.Log(config).log('default', pod, container, out, { follow: true });
        await until(() => out.text().split('\n').length > Number(lines));
        return out.text();
    },
    'copy-to': async (pod, container, folder, target) => {
        const exec = new Awaited(config);
        await new k8s.Cp(config, exec).cpToPod('default', pod, container, folder, target);
        return await exec.ended;
    },
    // Its own cpFromPod has tar compress in the pod and takes what comes for a plain archive (1.4.0).
    fetch: async (pod, container, source, target) => {
        const exec = new Awaited(config);
        const file = fs.createWriteStream(target);
        await exec.exec('default', pod, container, ['cat', source], file, null, null, false);
        const status = await exec.ended;
        await finished(file);
        return status;
    },
};

process.stdout.write(JSON.stringify(await steps[step](...given)), () => process.exit(0));
