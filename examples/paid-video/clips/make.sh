#!/usr/bin/env bash
# Makes the clips of examples/paid-video/clips from ffmpeg's own patterns: ./make.sh, with ffmpeg 5 or newer.
set -euo pipefail
cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")"

# Fragments of 2 s, each of which plays by itself: what keysock sells one by one.
FRAGMENTS=(-movflags '+frag_keyframe+empty_moov+default_base_moof+skip_trailer' -map_metadata -1 -fflags +bitexact)
H264=(-c:v libx264 -profile:v main -preset veryslow -pix_fmt yuv420p -g 48 -keyint_min 48 -sc_threshold 0)

clip() { # NAME SECONDS KBIT/S PICTURE FILTERS SOUND, then the second of the poster
  local name=$1 seconds=$2 rate=$3 picture=$4 filters=$5 sound=$6 poster=$7
  ffmpeg -hide_banner -loglevel error -y -f lavfi -i "$picture" -f lavfi -i "aevalsrc='$sound':s=32000" \
    -vf "$filters,fade=in:d=0.5,fade=out:st=$((seconds - 1)):d=1" -af "afade=in:d=2,afade=out:st=$((seconds - 3)):d=3" -t "$seconds" \
    "${H264[@]}" -b:v "${rate}k" -maxrate "${rate}k" -bufsize "$((rate * 2))k" -c:a aac -b:a 20k -ac 1 \
    "${FRAGMENTS[@]}" "$name.mp4"
  ffmpeg -hide_banner -loglevel error -y -ss "$poster" -i "$name.mp4" -frames:v 1 -vf scale=480:-1 -q:v 6 "$name.jpg"
}

swell() { printf '%s*sin(2*PI*%s*t)*(0.6+0.4*sin(2*PI*%s*t))' "$1" "$2" "$3"; }

clip into-the-set 36 130 \
  'mandelbrot=s=640x360:rate=24:start_scale=2.2:end_scale=0.0009:end_pts=864:start_x=-0.743643887:start_y=-0.131825904:maxiter=900:inner=black:outer=normalized_iteration_count' \
  'format=gray,gblur=sigma=1.1,format=yuv444p,pseudocolor=preset=inferno,gblur=sigma=0.5' \
  "$(swell 0.16 110 0.10)+$(swell 0.10 164.8 0.13)+$(swell 0.08 220.5 0.07)+$(swell 0.05 277.2 0.05)" 20 &
clip slow-light 24 60 \
  'gradients=s=640x360:rate=24:c0=0x0b1026:c1=0x2b59c3:c2=0xf28f3b:c3=0x6b1d4f:nb_colors=4:speed=0.02:seed=3:type=linear' \
  'gblur=sigma=6' \
  "$(swell 0.15 98 0.09)+$(swell 0.10 146.8 0.11)+$(swell 0.07 246.9 0.06)" 8 &
wait
clip life 20 90 \
  'life=s=80x45:rate=8:mold=12:ratio=0.22:seed=11:life_color=0xf5f0e6:death_color=0x1f6f5c:mold_color=0x0c1f2b' \
  'scale=640:360:flags=neighbor,gblur=sigma=1.2,fps=24' \
  "$(swell 0.13 130.8 0.12)+$(swell 0.10 196 0.08)+$(swell 0.06 329.6 0.05)" 5
