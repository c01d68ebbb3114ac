/** Writes the manual into a folder: node tools/manual/main.ts FOLDER */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readManual } from './read-manual.ts'

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('name the folder for the pages')
mkdirSync(folder, { recursive: true })
const date = new Date().toISOString().slice(0, 10)
for (const { file, text } of readManual(date)) writeFileSync(join(folder, file), text)
