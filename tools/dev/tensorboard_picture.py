"""Save a picture of a training in TensorBoard, drawn by headless Chromium.

    python tools/dev/tensorboard_picture.py work_dirs/fcn_texture \\
        docs/tensorboard.png

Needs `chromium` (on Debian: apt-get install chromium).
"""

import argparse
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image

# Tab, and the part (left, top, right, bottom) of the window to keep.
WINDOW = (1080, 960)
PARTS = (
    ('images&tagFilter=all_layers|growth', (280, 128, 1080, 930)),
    ('custom_scalars&_smoothingWeight=0', (0, 75, 1080, 690)),
)


def serve(logdir):
    """Start TensorBoard; return the process and its address."""
    with socket.socket() as free:
        free.bind(('localhost', 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            *(sys.executable, '-m', 'tensorboard.main', '--logdir', logdir),
            *('--port', str(port), '--load_fast', 'false'),
        ],
        stderr=subprocess.DEVNULL,
    )
    address = f'http://localhost:{port}'
    for _ in range(120):
        try:
            tags = f'{address}/data/plugin/images/tags'
            with urllib.request.urlopen(tags, timeout=5) as answer:
                if b'erf/' in answer.read():
                    return server, address
        except OSError:
            pass
        time.sleep(1)
    server.terminate()
    raise SystemExit(f'error: TensorBoard shows no ERF images of {logdir}')


def screenshot(address, path):
    """Picture of a page, drawn by Chromium."""
    subprocess.run(
        [
            *('chromium', '--headless', '--no-sandbox', '--disable-gpu'),
            *('--hide-scrollbars', '--virtual-time-budget=30000'),
            f'--window-size={WINDOW[0]},{WINDOW[1]}',
            f'--screenshot={path}',
            address,
        ],
        check=True,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=180,
    )
    with Image.open(path) as picture:
        return picture.convert('RGB')


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('logdir', help='work_dir of the training')
    parser.add_argument('out', help='the picture, a .png')
    args = parser.parse_args()
    server, address = serve(args.logdir)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'page.png'
            parts = [
                screenshot(f'{address}/#{tab}', path).crop(box)
                for tab, box in PARTS
            ]
    finally:
        server.terminate()
    width = max(part.width for part in parts)
    whole = Image.new('RGB', (width, sum(p.height for p in parts)), 'white')
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    whole.quantize(256).save(args.out, optimize=True)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
