/** A part of a report: a title, what the numbers mean, and a table whose first column is text. */
export interface Section {
  readonly title: string
  readonly text: readonly string[]
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** For a terminal. */
export function sectionsAsText(sections: readonly Section[], bold: (text: string) => string): string {
  const parts = sections.map(({ title, text, head, rows }) => {
    const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)))
    const line = (cells: readonly string[]): string =>
      cells
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  ')
        .trimEnd()
    return [bold(title), ...text, '', line(head), ...rows.map(line)].join('\n')
  })
  return parts.join('\n\n')
}

export function sectionsAsMarkdown(sections: readonly Section[]): string {
  const parts = sections.map(({ title, text, head, rows }) => {
    const rule = `|-${'|-:'.repeat(head.length - 1)}|`
    return [`## ${title}`, ...text, '', markdownRow(head), rule, ...rows.map(markdownRow)].join('\n')
  })
  return parts.join('\n\n')
}

function markdownRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}
