import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const VERSION = '4.3.1'

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka-jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`
const COPY = ['org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies', '-DincludeScope=runtime']

/**
 * A folder with Apache Kafka's jars and those of its tools: the `libs` of the release that KAFKA_HOME names, or those of the user's cache, from Maven Central. Undefined
 * where there is no Java, and no jars or no Maven.
 */
export async function kafkaJars({ KAFKA_HOME: home }: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  if (!(await runs('java', ['-version']))) return undefined
  if (home) {
    const libs = join(home, 'libs')
    return existsSync(libs) ? libs : undefined
  }
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'corebus')
  const folder = join(cache, `kafka-${VERSION}-tools`)
  if (existsSync(folder)) return folder
  if (!(await runs('mvn', ['--version']))) return undefined
  mkdirSync(cache, { recursive: true })
  // Made elsewhere and moved, so that nobody sees half of it.
  const made = mkdtempSync(join(cache, 'kafka-'))
  try {
    writeFileSync(join(made, 'pom.xml'), POM)
    await promisify(execFile)('mvn', ['-q', '-B', '-f', join(made, 'pom.xml'), ...COPY, `-DoutputDirectory=${join(made, 'jars')}`])
    if (!existsSync(folder)) renameSync(join(made, 'jars'), folder)
    return folder
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
}

async function runs(command: string, args: readonly string[]): Promise<boolean> {
  try {
    await promisify(execFile)(command, args)
    return true
  } catch {
    return false
  }
}
